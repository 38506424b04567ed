namespace Peft.Orleans.Dashboards.Source;

/// <summary>How a panel is drawn; the names are Grafana's.</summary>
internal enum PanelKind
{
    /// <summary>Lines over time.</summary>
    TimeSeries,

    /// <summary>The last value, large.</summary>
    Stat,

    /// <summary>A line of states per series.</summary>
    StateTimeline,

    /// <summary>A row per series, coloured by value.</summary>
    Heatmap,
}

/// <summary>An expression with the name of its series.</summary>
/// <param name="Expression">
/// PromQL; <c>{RUN}</c>, <c>{SILO}</c> and <c>{CLUSTER}</c> stand for the matchers of the variables, and more may follow within the braces.
/// </param>
/// <param name="Legend">Grafana's form: <c>{{label}}</c>.</param>
internal sealed record Query(string Expression, string Legend);

/// <summary>A value with a word and a colour of its own.</summary>
internal sealed record Named(double Value, string Text, string Color);

/// <summary>From a value on, a colour.</summary>
internal sealed record Threshold(double From, string Color);

/// <summary>A panel.</summary>
/// <param name="Kind">How it is drawn.</param>
/// <param name="Title">A few words.</param>
/// <param name="Unit">Grafana's name of the unit; see <see cref="Units"/>.</param>
/// <param name="Shows">What is shown, a sentence.</param>
/// <param name="Bad">What a bad value looks like and means, a sentence without a capital.</param>
/// <param name="Queries">What is asked.</param>
internal sealed record Panel(PanelKind Kind, string Title, string Unit, string Shows, string Bad, params Query[] Queries)
{
    /// <summary>Columns of 24.</summary>
    internal int Width { get; init; } = Kind == PanelKind.Stat ? 4 : 8;

    /// <summary>Lines of 30 pixels.</summary>
    internal int Height { get; init; } = Kind == PanelKind.Stat ? 4 : 8;

    internal double? Min { get; init; }

    internal double? Max { get; init; }

    /// <summary>Whether the axis is logarithmic.</summary>
    internal bool Logarithmic { get; init; }

    /// <summary>Whether the series lie upon each other.</summary>
    internal bool Stacked { get; init; }

    internal IReadOnlyList<Threshold> Thresholds { get; init; } = [];

    internal IReadOnlyList<Named> Names { get; init; } = [];

    /// <summary>What Grafana shows when the mouse rests on the panel's sign.</summary>
    internal string Description => $"{Shows}\n\nBad: {Bad}";

    internal static Panel Lines(string title, string unit, string shows, string bad, params Query[] queries) =>
        new(PanelKind.TimeSeries, title, unit, shows, bad, queries);

    internal static Panel Stat(string title, string unit, string shows, string bad, string expression) =>
        new(PanelKind.Stat, title, unit, shows, bad, new Query(expression, ""));

    internal static Panel Timeline(string title, string shows, string bad, Query query, params Named[] names) =>
        new(PanelKind.StateTimeline, title, Units.None, shows, bad, query) { Names = names, Width = 24, Height = 6 };

    /// <summary>A row per layer; the label is filled up with zeros, so that the order of names is that of numbers.</summary>
    internal static Panel Layers(string title, string unit, string shows, string bad, string expression) =>
        new(PanelKind.Heatmap, title, unit, shows, bad, new Query(Padded(expression), "layer {{layer}}")) { Width = 12, Height = 9 };

    private static string Padded(string expression) =>
        $"""label_replace(label_replace({expression}, "layer", "0$1", "layer", "(.|..)"), "layer", "0$1", "layer", "(..)")""";
}
