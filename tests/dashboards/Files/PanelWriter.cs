using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Dashboards.Source;

namespace Peft.Orleans.Dashboards.Files;

/// <summary>A panel as Grafana has it.</summary>
internal static class PanelWriter
{
    private const string ClusterMatcher = "cluster=~\"$cluster\"";
    private const string RunMatcher = ClusterMatcher + ", run=~\"$run\"";
    private const string SiloMatcher = ClusterMatcher + ", silo=~\"$silo\"";

    /// <summary>An expression with its matchers written out.</summary>
    internal static string Expression(string source) => source
        .Replace("{RUN", "{" + RunMatcher, StringComparison.Ordinal)
        .Replace("{SILO", "{" + SiloMatcher, StringComparison.Ordinal)
        .Replace("{CLUSTER", "{" + ClusterMatcher, StringComparison.Ordinal);

    /// <summary>The heading of a row.</summary>
    internal static JsonObject Heading(int id, string title, int top) => new()
    {
        ["id"] = id,
        ["type"] = "row",
        ["title"] = title,
        ["collapsed"] = false,
        ["gridPos"] = Place(0, top, 24, 1),
        ["panels"] = new JsonArray(),
    };

    internal static JsonObject Json(int id, Panel panel, int left, int top) => new()
    {
        ["id"] = id,
        ["type"] = Type(panel.Kind),
        ["title"] = panel.Title,
        ["description"] = panel.Description,
        ["datasource"] = BoardWriter.Source(),
        ["gridPos"] = Place(left, top, panel.Width, panel.Height),
        ["fieldConfig"] = new JsonObject { ["defaults"] = Defaults(panel), ["overrides"] = new JsonArray() },
        ["options"] = Options(panel),
        ["targets"] = new JsonArray([.. panel.Queries.Select((query, i) => Target(panel.Kind, query, i))]),
    };

    private static string Type(PanelKind kind) => kind switch
    {
        PanelKind.TimeSeries => "timeseries",
        PanelKind.Stat => "stat",
        PanelKind.StateTimeline => "state-timeline",
        _ => "heatmap",
    };

    private static JsonObject Place(int left, int top, int width, int height) =>
        new() { ["x"] = left, ["y"] = top, ["w"] = width, ["h"] = height };

    private static JsonObject Target(PanelKind kind, Query query, int i) => new()
    {
        ["refId"] = ((char)('A' + i)).ToString(),
        ["datasource"] = BoardWriter.Source(),
        ["editorMode"] = "code",
        ["expr"] = Expression(query.Expression),
        ["legendFormat"] = query.Legend.Length > 0 ? query.Legend : "__auto",
        ["format"] = "time_series",
        ["range"] = true,
        ["instant"] = false,
        ["interval"] = kind is PanelKind.Heatmap or PanelKind.StateTimeline ? "5s" : "",
    };

    private static JsonObject Defaults(Panel panel)
    {
        var below = panel.Kind == PanelKind.TimeSeries ? "transparent" : "green";
        var steps = new JsonArray(new JsonObject { ["color"] = below, ["value"] = null });
        foreach (var threshold in panel.Thresholds)
            steps.Add(new JsonObject { ["color"] = threshold.Color, ["value"] = threshold.From });
        var defaults = new JsonObject
        {
            ["unit"] = panel.Unit,
            ["color"] = new JsonObject { ["mode"] = panel.Kind == PanelKind.TimeSeries ? "palette-classic" : "thresholds" },
            ["thresholds"] = new JsonObject { ["mode"] = "absolute", ["steps"] = steps },
            ["mappings"] = Mappings(panel),
            ["custom"] = Custom(panel),
        };
        if (panel.Min is { } min) defaults["min"] = min;
        if (panel.Max is { } max) defaults["max"] = max;
        return defaults;
    }

    private static JsonArray Mappings(Panel panel)
    {
        if (panel.Names.Count == 0) return [];
        var options = new JsonObject();
        foreach (var (name, i) in panel.Names.Select(static (name, i) => (name, i)))
        {
            options[name.Value.ToString(CultureInfo.InvariantCulture)] =
                new JsonObject { ["text"] = name.Text, ["color"] = name.Color, ["index"] = i };
        }

        return [new JsonObject { ["type"] = "value", ["options"] = options }];
    }

    private static JsonObject Custom(Panel panel) => panel.Kind switch
    {
        PanelKind.TimeSeries => new JsonObject
        {
            ["drawStyle"] = "line",
            ["lineWidth"] = 1,
            ["fillOpacity"] = panel.Stacked ? 60 : 8,
            ["showPoints"] = "never",
            ["spanNulls"] = false,
            ["stacking"] = new JsonObject { ["mode"] = panel.Stacked ? "normal" : "none", ["group"] = "A" },
            ["scaleDistribution"] = panel.Logarithmic
                ? new JsonObject { ["type"] = "log", ["log"] = 10 }
                : new JsonObject { ["type"] = "linear" },
            ["thresholdsStyle"] = new JsonObject { ["mode"] = panel.Thresholds.Count > 0 ? "dashed" : "off" },
        },
        PanelKind.StateTimeline => new JsonObject { ["fillOpacity"] = 80, ["lineWidth"] = 0 },
        PanelKind.Heatmap => new JsonObject { ["scaleDistribution"] = new JsonObject { ["type"] = "linear" } },
        _ => [],
    };

    private static JsonObject Options(Panel panel) => panel.Kind switch
    {
        PanelKind.TimeSeries => new JsonObject { ["legend"] = Legend(), ["tooltip"] = Tooltip() },
        PanelKind.StateTimeline => new JsonObject
        {
            ["mergeValues"] = true,
            ["showValue"] = "auto",
            ["alignValue"] = "left",
            ["rowHeight"] = 0.85,
            ["legend"] = Legend(),
            ["tooltip"] = Tooltip(),
        },
        PanelKind.Heatmap => Heatmap(panel),
        _ => new JsonObject
        {
            ["reduceOptions"] = new JsonObject { ["calcs"] = new JsonArray("lastNotNull"), ["fields"] = "", ["values"] = false },
            ["colorMode"] = panel.Thresholds.Count > 0 || panel.Names.Count > 0 ? "value" : "none",
            ["graphMode"] = panel.Names.Count > 0 ? "none" : "area",
            ["justifyMode"] = "auto",
            ["orientation"] = "auto",
            ["textMode"] = "auto",
        },
    };

    /// <summary>Each series is a row as it is: nothing is counted into buckets.</summary>
    private static JsonObject Heatmap(Panel panel)
    {
        var color = new JsonObject
        {
            ["mode"] = "scheme",
            ["scheme"] = "Viridis",
            ["fill"] = "dark-orange",
            ["steps"] = 64,
            ["reverse"] = false,
        };
        if (panel.Min is { } min) color["min"] = min;
        if (panel.Max is { } max) color["max"] = max;
        return new JsonObject
        {
            ["calculate"] = false,
            ["cellGap"] = 0,
            ["cellValues"] = new JsonObject { ["unit"] = panel.Unit },
            ["color"] = color,
            ["exemplars"] = new JsonObject { ["color"] = "rgba(255,0,255,0.7)" },
            ["filterValues"] = new JsonObject { ["le"] = -1e30 },
            ["legend"] = new JsonObject { ["show"] = true },
            ["rowsFrame"] = new JsonObject { ["layout"] = "auto", ["value"] = panel.Title },
            ["tooltip"] = new JsonObject { ["mode"] = "single", ["yHistogram"] = false, ["showColorScale"] = true },
            ["yAxis"] = new JsonObject { ["axisPlacement"] = "left", ["reverse"] = false },
        };
    }

    private static JsonObject Legend() =>
        new() { ["displayMode"] = "list", ["placement"] = "bottom", ["showLegend"] = true, ["calcs"] = new JsonArray() };

    private static JsonObject Tooltip() => new() { ["mode"] = "multi", ["sort"] = "desc" };
}
