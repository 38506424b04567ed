using System.Text.RegularExpressions;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Dashboards.Files;
using Peft.Orleans.Dashboards.Source;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>The dashboards' files: what Grafana imports.</summary>
public sealed partial class DashboardFileTests
{
    /// <summary>What the product never exports on a machine without a GPU, or knows nothing of.</summary>
    private static readonly string[] Foreign = ["up", "node_", "DCGM_"];

    internal static string Folder { get; } = Path.Combine(Repository.Root, "k8s", "dashboards");

    internal static IReadOnlyList<BoardFile> Boards { get; } =
        [.. Directory.EnumerateFiles(Folder, "*.json").Order(StringComparer.Ordinal).Select(BoardFile.Read)];

    internal static IEnumerable<(BoardFile Board, PanelFile Panel)> Panels =>
        from board in Boards
        from panel in board.Panels
        where panel.Type != BoardFile.Row
        select (board, panel);

    [Fact]
    public void They_are_what_their_source_writes()
    {
        Assert.Equal(Board.All.Select(static board => board.Name).Order(), Boards.Select(static board => board.Name).Order());
        Assert.All(Board.All, static board => Assert.True(
            BoardWriter.Text(board) == File.ReadAllText(Path.Combine(Folder, board.Name + ".json")),
            $"k8s/dashboards/{board.Name}.json differs from its source: dotnet run --project tests/dashboards -- write"));
    }

    [Fact]
    public void Kustomize_makes_a_map_of_each() => Assert.All(Boards, static board => Assert.Contains(
        $"files: [{board.Name}.json]", File.ReadAllText(Path.Combine(Folder, "kustomization.yaml")), StringComparison.Ordinal));

    [Fact]
    public void Every_panel_has_unit_description_and_what_a_bad_value_means() => Assert.All(Panels, static item =>
    {
        var (board, panel) = item;
        var name = $"{board.Name}: {panel.Title}";
        Assert.True(panel.Title.Length > 0, name);
        Assert.True(panel.Unit.Length > 0, name);
        Assert.Matches(@"^[^\n]{10,}\.\n\nBad: [^\n]{10,}\.$", panel.Description);
        Assert.True(panel.Targets.Count > 0, name);
    });

    [Fact]
    public void Every_panel_asks_the_source_that_the_reader_chose() => Assert.All(Panels, static item =>
    {
        Assert.Equal("${datasource}", item.Panel.Source);
        Assert.All(item.Panel.Targets, static target => Assert.Equal("${datasource}", target.Source));
    });

    [Fact]
    public void Every_expression_is_of_the_chosen_cluster_or_host_and_uses_only_variables_that_exist() => Assert.All(Panels, static item =>
        Assert.All(item.Panel.Targets, target =>
        {
            var used = Variables.Used(target.Expression).ToArray();
            Assert.Contains(used, static name => name is "cluster" or "instance" or "host");
            Assert.Empty(used.Except([.. item.Board.Variables, "__rate_interval"]));
        }));

    [Fact]
    public void Every_dashboard_has_the_same_variables() => Assert.All(Boards, static board =>
        Assert.Equal(["datasource", "cluster", "run", "silo"], board.Variables.Take(4)));

    [Fact]
    public void Panels_have_ids_of_their_own_and_lie_side_by_side() => Assert.All(Boards, static board =>
    {
        Assert.Equal(board.Panels.Count, board.Panels.Select(static panel => panel.Id).Distinct().Count());
        Assert.All(board.Panels, panel => Assert.True(panel.Place is { Left: >= 0, Top: >= 0, Width: > 0, Height: > 0 }
            && panel.Place.Left + panel.Place.Width <= 24));
        Assert.All(board.Panels, panel => Assert.DoesNotContain(
            board.Panels, other => other.Id != panel.Id && other.Place.Overlaps(panel.Place)));
    });

    [Fact]
    public void What_panels_and_alerts_ask_for_is_exported()
    {
        var exported = MetricCatalogue.All.SelectMany(static metric => metric.Kind == MetricKind.Histogram
            ? (string[])[metric.Prometheus + "_bucket", metric.Prometheus + "_sum", metric.Prometheus + "_count"]
            : [metric.Prometheus]).ToHashSet();
        var asked = Panels.SelectMany(static item => item.Panel.Targets.Select(static target => target.Expression))
            .Concat(AlertRules.All.Select(static rule => rule.Expression))
            .SelectMany(static expression => Metric().Matches(expression).Select(static match => match.Value));
        Assert.Empty(asked.Where(static name => !Foreign.Any(name.StartsWith)).Distinct().Except(exported));
    }

    [Fact]
    public void What_is_exported_is_shown()
    {
        var shown = string.Join('\n', Panels.SelectMany(static item => item.Panel.Targets.Select(static target => target.Expression)));
        Assert.All(MetricCatalogue.All, metric => Assert.Contains(metric.Prometheus, shown, StringComparison.Ordinal));
    }

    [GeneratedRegex("(?:peft|node|DCGM)_[A-Za-z0-9_]+", RegexOptions.CultureInvariant)]
    private static partial Regex Metric();
}
