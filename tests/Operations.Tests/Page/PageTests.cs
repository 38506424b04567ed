using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Page;

/// <summary>The page that every silo serves, in a real browser, while a run trains and silos are killed.</summary>
[Collection(WatchedRunTests.Name)]
public sealed class PageTests(WatchedRun watched)
{
    private readonly Browser browser = watched.Browser;

    [Fact]
    public async Task Loss_and_lambda_are_seen_moving()
    {
        await watched.Open();
        await browser.Until("document.querySelector('#loss .smooth') !== null");
        Assert.Equal("disturbed", await browser.Text("title"));
        Assert.Equal("Hybrid on tiny-llama", await browser.Text("subject"));
        var curve = await Of("document.querySelector('#loss .raw').getAttribute('d')");
        var norm = await Of("document.querySelector('#norm .raw').getAttribute('d')");
        var heat = await Of("document.querySelector('#lambda canvas').toDataURL()");
        var told = await Of("document.querySelector('#lambda canvas').getAttribute('aria-label')");
        await browser.Until($"document.querySelector('#loss .raw').getAttribute('d') !== {curve}");
        await browser.Until($"document.querySelector('#norm .raw').getAttribute('d') !== {norm}");
        await browser.Until($"document.querySelector('#lambda canvas').toDataURL() !== {heat}");
        await browser.Until($"document.querySelector('#lambda canvas').getAttribute('aria-label') !== {told}");
        // What it draws is what the run has written.
        await browser.Press("#loss svg", "ArrowRight");
        var first = watched.Run.Lines().Select(static line => JsonNode.Parse(line)!).First();
        Assert.Equal(
            $"step 1: {first["loss"]!.GetValue<double>():0.000}", await browser.Text("loss-readout"));
        Assert.Equal(3, (await browser.Look("document.querySelectorAll('#silos .seats i.held').length > 3 ? 3 : 0"))!.GetValue<int>());
        await Undisturbed();
    }

    [Fact]
    public async Task A_killed_silo_is_seen_going_and_coming_back()
    {
        await watched.Open();
        var silo = watched.Living()[^1].Name;
        await browser.Until(Shown(silo, "alive"));
        watched.Kill(silo);
        await browser.Until(Shown(silo, "gone"));
        await browser.Until($"document.getElementById('events').textContent.includes('lost: {silo}')");
        await browser.Until("document.querySelector('#terms path.lost') && document.querySelector('#loss .lost-mark') !== null");
        watched.StartAgain(silo);
        await browser.Until(Shown(silo, "alive"));
        await browser.Until($"document.getElementById('events').textContent.includes('new: {silo}')");
        await browser.Until("document.querySelector('#terms path.joined') && document.querySelector('#loss .joined-mark') !== null");
        await Undisturbed();
        if (Environment.GetEnvironmentVariable("PEFT_WRITE_PICTURES") is { Length: > 0 } folder)
        {
            await watched.Run.MoreSteps(40);
            foreach (var (width, height) in ((int, int)[])[(1600, 1000), (400, 800)])
            {
                foreach (var scheme in (string[])["light", "dark"])
                {
                    await browser.Dress(width, height, scheme);
                    await browser.Picture(Path.Combine(folder, $"page-{width}-{scheme}.png"));
                }
            }
        }
    }

    /// <summary>Who watches through a silo that dies watches on through another, at the same run.</summary>
    [Fact]
    public async Task The_page_of_a_killed_silo_goes_to_one_that_lives()
    {
        var (name, page) = await watched.Open();
        watched.Kill(name);
        await browser.Until($"!location.href.startsWith('{page.AbsoluteUri}') && location.hash.startsWith('#/runs/disturbed')");
        await browser.Until("document.getElementById('connection').dataset.state === 'live'");
        Assert.StartsWith($"{name} stopped answering", await browser.Text("notice"), StringComparison.Ordinal);
        await browser.Until(Shown(name, "gone"));
        var steps = await browser.Text("progress-text");
        await browser.Until($"document.getElementById('progress-text').textContent !== '{steps}'");
        var (hosts, errors, _) = await browser.Heard();
        Assert.Equal(["127.0.0.1"], hosts);
        // Nobody answered there any more: that, and nothing else, is what the console has.
        Assert.All(
            errors.Where(error => !error.Contains(page.Authority, StringComparison.Ordinal)), static error => Assert.Fail(error));
    }

    [Theory]
    [InlineData(400, 800, "light")]
    [InlineData(400, 800, "dark")]
    [InlineData(1600, 1000, "light")]
    [InlineData(1600, 1000, "dark")]
    public async Task It_fits_and_can_be_read(int width, int height, string scheme)
    {
        await watched.Open();
        await browser.Until("document.querySelector('#loss .smooth') !== null");
        await browser.Dress(width, height, scheme);
        var sizes = await browser.Look(
            "[document.documentElement.scrollWidth, innerWidth, document.querySelector('#loss svg').clientWidth]");
        Assert.Equal(width, sizes![1]!.GetValue<int>());
        Assert.True(sizes[0]!.GetValue<int>() <= width, $"{sizes[0]} of {width} pixels");
        Assert.InRange(sizes[2]!.GetValue<int>(), 300, width);
        Assert.Equal(
            scheme == "dark",
            (await browser.Look("getComputedStyle(document.body).backgroundColor === 'rgb(15, 18, 22)'"))!.GetValue<bool>());
        var contrast = await browser.Look(File.ReadAllText(
            Path.Combine(Repository.Root, "tests", "Operations.Tests", "Page", "contrast.js")));
        Assert.True(contrast!["seen"]!.GetValue<int>() > 40, contrast.ToJsonString());
        Assert.Empty(contrast["faint"]!.AsArray().Select(static text => text!.GetValue<string>()));
        await Undisturbed();
    }

    /// <summary>Each thing can be reached and read without a mouse, and every drawing says what it shows.</summary>
    [Fact]
    public async Task It_is_used_by_keyboard_and_told_to_readers_of_the_screen()
    {
        await watched.Open();
        await browser.Until("document.querySelector('#loss .smooth') !== null");
        Assert.Empty((await browser.Look("""
            [...document.querySelectorAll('svg[role=img], canvas')].filter(node => !node.getAttribute('aria-label')).map(node => node.id)
            """))!.AsArray());
        Assert.Empty((await browser.Look("""
            [...document.querySelectorAll('section[aria-labelledby], article[aria-labelledby], nav[aria-labelledby]')]
              .filter(node => !document.getElementById(node.getAttribute('aria-labelledby'))?.textContent).map(node => node.id)
            """))!.AsArray());
        await browser.Press("#lambda canvas", "ArrowUp");
        await browser.Until("document.getElementById('lambda-readout').textContent.startsWith('layer 0, step ')");
        await browser.Press("#lambda canvas", "ArrowDown");
        await browser.Until("document.getElementById('lambda-readout').textContent.startsWith('layer 1, step ')");
        await browser.Press("#runs a", "Enter");
        await browser.Until("location.hash === '#/runs/disturbed'");
        Assert.Equal("status", (await browser.Look("document.getElementById('connection').getAttribute('role')"))!.GetValue<string>());
        Assert.True((await browser.Look("document.getAnimations().length === 0"))!.GetValue<bool>(), "something moves");
    }

    private async Task Undisturbed()
    {
        var (hosts, errors, _) = await browser.Heard();
        Assert.Equal(["127.0.0.1"], hosts);
        Assert.DoesNotContain(errors, static error => !error.Contains("ERR_CONNECTION_REFUSED", StringComparison.Ordinal));
    }

    private static string Shown(string silo, string word) =>
        $"document.querySelector('#silos [data-key=\"{silo}\"] .what')?.textContent === '{word}'";

    private async Task<string> Of(string script) => (await browser.Look(script))!.ToJsonString();
}
