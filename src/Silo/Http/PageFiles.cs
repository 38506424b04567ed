using System.Reflection;
using System.Text;
using Microsoft.Net.Http.Headers;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Silo.Http;

/// <summary>The page to watch: its few files lie in this assembly as they are written.</summary>
internal static class PageFiles
{
    private const string Prefix = "page/";
    private const string First = "index.html";

    private static readonly Dictionary<string, PageFile> Files = Assembly.GetExecutingAssembly().GetManifestResourceNames()
        .Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(static name => PageFile.Read(name, name[Prefix.Length..]))
        .ToDictionary(static file => file.Name, StringComparer.Ordinal);

    internal static void Map(RouteGroupBuilder group)
    {
        group.MapGet("/", static async (HttpContext context, ClusterView view) =>
        {
            context.Response.Headers.ContentSecurityPolicy = await Policy(view);
            return Answer(context, Files[First]);
        });
        group.MapGet("/page/{name}", static (string name, HttpContext context) =>
        {
            context.Response.Headers.ContentSecurityPolicy = "default-src 'none'";
            return name != First && Files.TryGetValue(name, out var file) ? Answer(context, file) : Results.NotFound();
        });
    }

    /// <summary>
    /// Only what this silo serves is loaded, and nothing is asked but this silo and, whether they live when it does not, the others.
    /// </summary>
    private static async Task<string> Policy(ClusterView view)
    {
        var others = "";
        try
        {
            others = string.Concat((await view.Silos())
                .Select(static silo => SiloPage.Of(silo.MetricsUrl))
                .OfType<string>()
                .Select(static page => new Uri(page))
                // A policy cannot name an address of IPv6: of such silos there are links.
                .Where(static page => page.HostNameType != UriHostNameType.IPv6)
                .Select(static page => " " + page.GetLeftPart(UriPartial.Authority)));
        }
        catch (Exception error) when (error is global::Orleans.Runtime.OrleansException or TimeoutException)
        {
            // The page comes all the same, and says that the cluster does not answer.
        }

        return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'" + others
            + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
    }

    private static IResult Answer(HttpContext context, PageFile file)
    {
        var headers = context.Response.Headers;
        headers.CacheControl = "no-cache";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        return Results.Bytes(file.Content, file.Type, entityTag: file.Tag);
    }

    private sealed record PageFile(string Name, byte[] Content, string Type, EntityTagHeaderValue Tag)
    {
        internal static PageFile Read(string resource, string name)
        {
            using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)!;
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            var type = Path.GetExtension(name) switch
            {
                ".html" => "text/html; charset=utf-8",
                ".js" => "text/javascript; charset=utf-8",
                ".css" => "text/css; charset=utf-8",
                ".svg" => "image/svg+xml",
                var other => throw new System.Diagnostics.UnreachableException($"{name}: what type is {other}?"),
            };
            var hash = FileHash.OfText(Encoding.UTF8.GetString(content));
            return new PageFile(name, content, type, new EntityTagHeaderValue($"\"{hash[..16]}\""));
        }
    }
}
