using ScottPlot;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>Colours of Grafana's dark theme.</summary>
internal static class Palette
{
    private static readonly string[] Classic =
    [
        "#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300",
        "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62", "#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F",
    ];

    private static readonly Dictionary<string, string> Names = new(StringComparer.Ordinal)
    {
        ["green"] = "#73BF69",
        ["yellow"] = "#FADE2A",
        ["orange"] = "#FF9830",
        ["red"] = "#F2495C",
        ["blue"] = "#5794F2",
        ["purple"] = "#B877D9",
        ["gray"] = "#6E7480",
        ["transparent"] = "#CCCCDC",
    };

    internal static Color Canvas { get; } = Color.FromHex("#111217");

    internal static Color Panel { get; } = Color.FromHex("#181B1F");

    internal static Color Border { get; } = Color.FromHex("#2C3036");

    internal static Color Text { get; } = Color.FromHex("#CCCCDC");

    internal static Color Faint { get; } = Color.FromHex("#8E909A");

    internal static Color Grid { get; } = Color.FromHex("#26292F");

    /// <summary>The colour of a series by its place.</summary>
    internal static Color Series(int i) => Color.FromHex(Classic[i % Classic.Length]);

    /// <summary>A colour by Grafana's name.</summary>
    internal static Color Named(string name) => Color.FromHex(Names.GetValueOrDefault(name, "#CCCCDC"));
}
