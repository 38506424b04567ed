using System.Net;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Page;

/// <summary>What a silo answers the page, asked as anybody could.</summary>
[Collection(WatchedRunTests.Name)]
public sealed class ApiTests(WatchedRun watched)
{
    private static readonly HttpClient Http = new();

    [Fact]
    public async Task Nothing_but_the_silos_own_files_may_run_in_the_page()
    {
        var page = await Page();
        using var answer = await Http.GetAsync(page, Patience.Token);
        var policy = answer.Headers.GetValues("Content-Security-Policy").Single().Split("; ").ToDictionary(
            static directive => directive.Split(' ')[0], static directive => directive.Split(' ')[1..]);
        Assert.Equal(["'none'"], policy["default-src"]);
        foreach (var own in (string[])["script-src", "style-src", "img-src"]) Assert.Equal(["'self'"], policy[own]);
        foreach (var none in (string[])["base-uri", "form-action", "frame-ancestors"]) Assert.Equal(["'none'"], policy[none]);
        // Whether another silo lives is all that is asked of anybody else.
        Assert.Equal(
            watched.Living().Select(static silo => silo.Page.GetLeftPart(UriPartial.Authority)).Prepend("'self'"), policy["connect-src"]);
        Assert.DoesNotContain("unsafe", string.Join(' ', policy.Values.SelectMany(static value => value)), StringComparison.Ordinal);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        var html = await answer.Content.ReadAsStringAsync(Patience.Token);
        Assert.DoesNotContain("style=", html, StringComparison.Ordinal);
        Assert.DoesNotContain("://", html, StringComparison.Ordinal);
        foreach (var script in html.Split("<script")[1..])
            Assert.StartsWith(" type=\"module\" src=\"page/app.js\"></script>", script, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Steps_come_once_and_then_only_what_is_new()
    {
        var page = await Page();
        var all = await Get(page, "api/runs/disturbed/steps");
        var last = all.GetProperty("points")[all.GetProperty("points").GetArrayLength() - 1].GetProperty("last").GetInt32();
        Assert.True(all.GetProperty("whole").GetBoolean());
        Assert.Equal(1, all.GetProperty("points")[0].GetProperty("first").GetInt32());
        await watched.Run.MoreSteps(3);
        var width = all.GetProperty("width").GetInt32();
        var news = await Get(page, $"api/runs/disturbed/steps?after={last}&width={width}");
        if (news.GetProperty("width").GetInt32() != width) return;
        Assert.False(news.GetProperty("whole").GetBoolean());
        Assert.All(news.GetProperty("points").EnumerateArray(), point => Assert.True(point.GetProperty("last").GetInt32() > last));
        Assert.NotEqual(0, news.GetProperty("points").GetArrayLength());
    }

    /// <summary>Whoever starts, watches or looks at a run is told where to see it.</summary>
    [Fact]
    public async Task The_client_says_where_the_page_is()
    {
        await Page();
        var page = watched.Living()[0].Page + "#/runs/disturbed";
        var described = await PeftClient.Run("describe", "run", watched.Run.Folder, "-o", "json");
        Assert.Equal(page, JsonDocument.Parse(described.Succeeded().Output).RootElement.GetProperty("page").GetString());
        Assert.Contains("page: http://127.0.0.1:", watched.Run.Said, StringComparison.Ordinal);
        Assert.Contains("/#/runs/disturbed", watched.Run.Said, StringComparison.Ordinal);
        using var watch = PeftClient.Start("watch", watched.Run.Folder);
        try
        {
            while (await watch.StandardError.ReadLineAsync(Patience.Token) is { } line && line != $"page: {page}")
                Assert.False(watch.HasExited, line);
            Assert.False(watch.HasExited, "it ended without a word of the page");
        }
        finally
        {
            watch.Kill();
        }
    }

    [Fact]
    public async Task It_can_be_read_and_nothing_else()
    {
        var page = await Page();
        foreach (var path in (string[])["", "api/runs", "api/cluster", "api/runs/disturbed", "api/runs/disturbed/events"])
        {
            using var post = await Http.PostAsync(new Uri(page, path), null, Patience.Token);
            Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
            using var delete = await Http.DeleteAsync(new Uri(page, path), Patience.Token);
            Assert.Equal(HttpStatusCode.MethodNotAllowed, delete.StatusCode);
        }

        foreach (var path in (string[])
                 [
                     "api/runs/none", "api/runs/none/steps", "api/runs/..%2fdisturbed/steps", "page/none.js", "page/..%2findex.html",
                     "app.js",
                 ])
        {
            using var answer = await Http.GetAsync(new Uri(page, path), Patience.Token);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        foreach (var query in (string[])["after=x", "after=99999999999", "width=1e9"])
        {
            using var answer = await Http.GetAsync(new Uri(page, "api/runs/disturbed/steps?" + query), Patience.Token);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    private async Task<Uri> Page()
    {
        await watched.Run.Reached(5);
        return watched.Living()[0].Page;
    }

    private static async Task<JsonElement> Get(Uri page, string path) =>
        JsonDocument.Parse(await Http.GetStringAsync(new Uri(page, path), Patience.Token)).RootElement;
}
