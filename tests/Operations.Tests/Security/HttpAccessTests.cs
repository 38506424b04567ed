using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Whom a silo answers over HTTP.</summary>
[Collection(nameof(TlsCluster))]
public sealed class HttpAccessTests(TlsCluster cluster)
{
    [Theory]
    [InlineData("health/live", null, null, 200)]
    [InlineData("health/ready", null, null, 200)]
    [InlineData("metrics", null, null, 401)]
    [InlineData("metrics", "none", null, 401)]
    [InlineData("metrics", "peft-read-only", null, 200)]
    [InlineData("metrics", "peft-operator", null, 200)]
    [InlineData("metrics", null, "Bearer " + TlsCluster.ReadOnlyToken, 200)]
    [InlineData("metrics", null, "Bearer guessed", 401)]
    [InlineData("metrics", null, "Bearer ", 401)]
    [InlineData("metrics", null, "basic", 200)]
    [InlineData("metrics", null, "Basic not base 64", 401)]
    public async Task A_role_is_asked_for_everything_but_the_probes(string path, string? unit, string? authorization, int expected)
    {
        using var client = Client(unit is null ? null : cluster.Client(unit == "none" ? null : unit));
        if (authorization == "basic")
            authorization = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("someone:" + TlsCluster.ReadOnlyToken));
        // A silo that has just come up is ready once its device has worked.
        HttpResponseMessage response;
        var patience = Patience.Token;
        while (true)
        {
            response = await Get(client, path, authorization);
            if (response.StatusCode != HttpStatusCode.ServiceUnavailable) break;
            response.Dispose();
            patience.ThrowIfCancellationRequested();
        }

        using var answered = response;
        Assert.Equal(expected, (int)response.StatusCode);
        if (expected == 401) Assert.Contains(response.Headers.WwwAuthenticate, static way => way.Scheme == "Basic");
    }

    [Fact]
    public async Task A_certificate_of_another_authority_is_refused_before_any_request()
    {
        using var client = Client(cluster.Files("http stranger", cluster.Stranger.Client("peft-operator")));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Get(client, "health/live", null));
    }

    [Fact]
    public async Task The_dashboard_is_there_when_asked_for_and_asks_for_a_role()
    {
        using var client = Client(null);
        using var absent = await Get(client, "dashboard/", "Bearer " + TlsCluster.OperatorToken);
        Assert.Equal(HttpStatusCode.NotFound, absent.StatusCode);
        var (silo, _, log) = await cluster.StartAlone(
            cluster.Files("dashboard", cluster.Authority.Silo()), "--dashboard", "--token-file",
            Path.Combine(cluster.Workspace.Folder, "tokens"));
        // It registers before it says where it answers.
        var url = "";
        await Patience.Until(() => (url = Regex.Match(File.ReadAllText(log), "https://[^ ]+/").Value).Length > 0);
        foreach (var path in (string[])["dashboard/", "dashboard/DashboardCounters"])
        {
            using var refused = await Get(client, url + path, null);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            using var response = await Get(client, url + path, "Bearer " + TlsCluster.ReadOnlyToken);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.False(silo.HasEnded);
    }

    private HttpClient Client(CertificateFolder? files)
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
            CertifiedClient.Peers(cluster.SiloFiles).IsSiloServing(certificate as X509Certificate2, chain);
        if (files is not null)
            handler.SslOptions.ClientCertificateContext = CertifiedClient.Peers(files).Credentials.Current.Context;
        return new HttpClient(handler)
        {
            BaseAddress = new Uri(new Uri(cluster.Registration(0).GetProperty("metricsUrl").GetString()!), "/"),
        };
    }

    private static Task<HttpResponseMessage> Get(HttpClient client, string path, string? authorization)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return client.SendAsync(request, Patience.Token);
    }
}
