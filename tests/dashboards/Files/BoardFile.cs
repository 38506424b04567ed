using System.Globalization;
using System.Text.Json;

namespace Peft.Orleans.Dashboards.Files;

/// <summary>A panel's place: columns of 24, lines of 30 pixels.</summary>
internal readonly record struct GridPlace(int Left, int Top, int Width, int Height)
{
    internal bool Overlaps(GridPlace other) =>
        Left < other.Left + other.Width && other.Left < Left + Width && Top < other.Top + other.Height && other.Top < Top + Height;
}

/// <summary>An expression of a panel.</summary>
internal sealed record TargetFile(string Expression, string Legend, string Source);

/// <summary>A colour from a value on.</summary>
internal sealed record StepFile(double? From, string Color);

/// <summary>A panel as its file says.</summary>
internal sealed record PanelFile(
    int Id,
    string Type,
    string Title,
    string Description,
    string Source,
    string Unit,
    GridPlace Place,
    IReadOnlyList<TargetFile> Targets)
{
    internal double? Min { get; init; }

    internal double? Max { get; init; }

    internal bool Logarithmic { get; init; }

    internal bool Stacked { get; init; }

    internal IReadOnlyList<StepFile> Steps { get; init; } = [];

    /// <summary>Words and colours of values.</summary>
    internal IReadOnlyDictionary<double, (string Text, string Color)> Names { get; init; } = new Dictionary<double, (string, string)>();
}

/// <summary>A dashboard's file, read as far as one needs to ask and to draw what it shows.</summary>
/// <param name="Name">Of the file, without its end.</param>
/// <param name="Title">Of the dashboard.</param>
/// <param name="Variables">Its variables, the data source first.</param>
/// <param name="Panels">Its panels, headings of rows among them.</param>
internal sealed record BoardFile(string Name, string Title, IReadOnlyList<string> Variables, IReadOnlyList<PanelFile> Panels)
{
    /// <summary>The type of a row's heading.</summary>
    internal const string Row = "row";

    internal static BoardFile Read(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(path));
        var root = document.RootElement;
        return new BoardFile(
            Path.GetFileNameWithoutExtension(path),
            root.GetProperty("title").GetString()!,
            [.. root.GetProperty("templating").GetProperty("list").EnumerateArray().Select(static item => Text(item, "name"))],
            [.. root.GetProperty("panels").EnumerateArray().Select(Panel)]);
    }

    private static PanelFile Panel(JsonElement panel)
    {
        var place = panel.GetProperty("gridPos");
        var configured = panel.TryGetProperty("fieldConfig", out var config);
        var defaults = configured ? config.GetProperty("defaults") : default;
        var custom = configured && defaults.TryGetProperty("custom", out var found) ? found : default;
        return new PanelFile(
            panel.GetProperty("id").GetInt32(),
            Text(panel, "type"),
            Text(panel, "title"),
            Text(panel, "description"),
            Text(panel, "datasource", "uid"),
            configured ? Text(defaults, "unit") : "",
            new GridPlace(Number(place, "x"), Number(place, "y"), Number(place, "w"), Number(place, "h")),
            panel.TryGetProperty("targets", out var targets)
                ? [.. targets.EnumerateArray().Select(static target => new TargetFile(
                    Text(target, "expr"), Text(target, "legendFormat"), Text(target, "datasource", "uid")))]
                : [])
        {
            Min = Limit(defaults, "min"),
            Max = Limit(defaults, "max"),
            Logarithmic = Text(custom, "scaleDistribution", "type") == "log",
            Stacked = Text(custom, "stacking", "mode") == "normal",
            Steps = configured
                ? [.. defaults.GetProperty("thresholds").GetProperty("steps").EnumerateArray().Select(static step =>
                    new StepFile(Limit(step, "value"), Text(step, "color")))]
                : [],
            Names = configured ? Names(defaults) : new Dictionary<double, (string, string)>(),
        };
    }

    private static Dictionary<double, (string Text, string Color)> Names(JsonElement defaults) =>
        defaults.GetProperty("mappings").EnumerateArray()
            .SelectMany(static mapping => mapping.GetProperty("options").EnumerateObject())
            .ToDictionary(
                static name => double.Parse(name.Name, CultureInfo.InvariantCulture),
                static name => (Text(name.Value, "text"), Text(name.Value, "color")));

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();

    private static double? Limit(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : null;

    /// <summary>A text below an element; empty where there is none.</summary>
    private static string Text(JsonElement element, params string[] path)
    {
        foreach (var name in path)
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out element)) return "";
        }

        return element.ValueKind == JsonValueKind.String ? element.GetString()! : "";
    }
}
