using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Peft.Orleans.Operations.Tests.Metrics;

/// <summary>What a silo answers to Prometheus.</summary>
internal sealed partial class Scrape
{
    private Scrape(string text)
    {
        Text = text;
        Series = [.. Line().Matches(text).Select(static line => new Series(
            line.Groups["name"].Value,
            Label().Matches(line.Groups["labels"].Value).ToDictionary(
                static label => label.Groups[1].Value, static label => label.Groups[2].Value),
            double.Parse(line.Groups["value"].Value, CultureInfo.InvariantCulture)))];
    }

    internal string Text { get; }

    internal IReadOnlyList<Series> Series { get; }

    /// <summary>Asks a silo of a cluster's folder, as Prometheus asks.</summary>
    internal static async Task<Scrape> Of(string clusterFolder, string silo)
    {
        using var registration = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(clusterFolder, "silos", silo + ".json")));
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, registration.RootElement.GetProperty("metricsUrl").GetString());
        request.Headers.TryAddWithoutValidation("Accept", "application/openmetrics-text;version=1.0.0");
        using var answer = await http.SendAsync(request);
        return new Scrape(await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
    }

    /// <summary>Series of our own.</summary>
    internal IEnumerable<Series> Own => Series.Where(static series => series.Name.StartsWith("peft_", StringComparison.Ordinal));

    /// <summary>Those of a run.</summary>
    internal IEnumerable<Series> OfRun(string run) =>
        Own.Where(series => !series.Labels.ContainsKey("peer") && series.Labels.GetValueOrDefault("run") == run);

    /// <summary>The one value of a metric with a label.</summary>
    internal double Value(string name, string label = "", string value = "") => Own.Single(series =>
        series.Name == name && (label.Length == 0 || series.Labels.GetValueOrDefault(label) == value)).Value;

    [GeneratedRegex(@"^(?<name>[a-z_]+)\{(?<labels>[^}]*)\} (?<value>[0-9.eE+-]+|NaN)", RegexOptions.Multiline)]
    private static partial Regex Line();

    [GeneratedRegex("(\\w+)=\"([^\"]*)\"")]
    private static partial Regex Label();
}

/// <summary>A line of an answer.</summary>
internal sealed record Series(string Name, IReadOnlyDictionary<string, string> Labels, double Value);
