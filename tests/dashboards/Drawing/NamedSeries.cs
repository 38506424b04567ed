using System.Text.RegularExpressions;
using Peft.Orleans.Dashboards.Answers;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>A series under the name of its legend.</summary>
internal sealed partial record NamedSeries(string Name, IReadOnlyList<(double Time, double Value)> Points)
{
    /// <summary>Gives a series the name that a legend's form makes of its labels.</summary>
    internal static NamedSeries Of(Series series, string legend) => new(
        legend is "" or "__auto"
            ? series.Text
            : Label().Replace(legend, match => series.Labels.GetValueOrDefault(match.Groups[1].Value, "")),
        series.Points);

    [GeneratedRegex(@"\{\{\s*(\w+)\s*\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Label();
}
