using System.Diagnostics;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>The rules as promtool judges them, and what belongs to each alert.</summary>
public sealed partial class AlertRuleTests
{
    private static readonly string UnitTests =
        Path.Combine(Repository.Root, "tests", "Operations.Tests", "Prometheus", "alerts.test.yaml");

    [Theory]
    [InlineData("check")]
    [InlineData("test")]
    public async Task Promtool_finds_nothing(string what)
    {
        var promtool = Tool.Require("promtool", "prometheus");
        using var workspace = new Workspace();
        var rules = workspace.Write("rules.yaml", AlertRules.Promtool);
        var tests = workspace.Write("alerts.test.yaml", await File.ReadAllTextAsync(UnitTests));
        await Succeeds(promtool, what, "rules", what == "check" ? rules : tests);
    }

    [Fact]
    public async Task Shortened_rules_are_rules_of_seconds()
    {
        var promtool = Tool.Require("promtool", "prometheus");
        using var workspace = new Workspace();
        await Succeeds(promtool, "check", "rules", workspace.Write("rules.yaml", AlertRules.Shortened));
        Assert.DoesNotMatch(Minutes(), AlertRules.Shortened);
        Assert.Contains("peft_snapshot_age_seconds) > 120", AlertRules.Shortened, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not()
    {
        var text = File.ReadAllText(UnitTests);
        Assert.InRange(AlertRules.All.Count, 12, 100);
        Assert.All(AlertRules.All, rule =>
        {
            Assert.Matches($@"alertname: {rule.Name} \}}", text);
            Assert.Matches($@"alertname: {rule.Name}\n\s+exp_alerts:\n\s+- exp_labels", text);
        });
    }

    [Fact]
    public void Every_alert_leads_to_its_page_of_the_runbook() => Assert.All(AlertRules.All, static rule =>
    {
        Assert.Equal($"runbook/{rule.Name}.md", rule.Annotations["runbook_url"]);
        var page = Repository.Page(rule.Annotations["runbook_url"]);
        Assert.StartsWith($"# {rule.Name}\n", page, StringComparison.Ordinal);
        Assert.All((string[])["## Means", "## Look", "## Do"], heading => Assert.Contains(heading, page, StringComparison.Ordinal));
        Assert.Contains($"({rule.Name}.md)", Repository.Page("runbook/README.md"), StringComparison.Ordinal);
    });

    [Fact]
    public void Every_page_of_the_runbook_has_its_alert()
    {
        var pages = Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs", "runbook"), "*.md")
            .Select(Path.GetFileNameWithoutExtension);
        Assert.Equal(AlertRules.All.Select(static rule => rule.Name).Append("README").Order(), pages.Order());
    }

    private static async Task Succeeds(string promtool, params string[] arguments)
    {
        var start = new ProcessStartInfo(promtool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(Patience.Token);
        Assert.True(process.ExitCode == 0, said);
    }

    [GeneratedRegex(@"for: \d+[smh]\b|\[\d+[smh][:\]]", RegexOptions.CultureInvariant)]
    private static partial Regex Minutes();
}
