using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Figures;

/// <summary>
/// What is known of a run, or of a silo, by metric and value of the metric's label: set as things happen, read when somebody asks. Nothing
/// here waits, and nothing is made anew from step to step.
/// </summary>
internal sealed class FigureSet
{
    private readonly Lock gate = new();
    private readonly Dictionary<Metric, Dictionary<string, double>> values = [];
    private readonly Dictionary<Metric, Func<IEnumerable<(string Label, double Value)>>> asked = [];
    private readonly Action<FigureSet, Metric, double> record;

    /// <summary>Counters begin at 0, with every value of a label whose values are known.</summary>
    /// <param name="owner">What it is of.</param>
    /// <param name="name">The run's id, or the silo's name.</param>
    /// <param name="record">Takes single durations for the histograms.</param>
    internal FigureSet(MetricOwner owner, string name, Action<FigureSet, Metric, double> record)
    {
        Owner = new(owner == MetricOwner.Run ? MetricLabel.Run.Name : MetricLabel.Silo.Name, name);
        this.record = record;
        foreach (var metric in MetricCatalogue.All)
        {
            if (metric.Owner != owner || metric.Kind != MetricKind.Counter) continue;
            if (metric.Label is null) Add(metric, 0);
            else foreach (var value in metric.Label.Values) Add(metric, 0, value);
        }
    }

    /// <summary>The label that all its series have.</summary>
    internal KeyValuePair<string, object?> Owner { get; }

    /// <summary>Whether it is kept only for who has not read it yet.</summary>
    internal bool HasEnded { get; set; }

    /// <summary>A gauge has another value.</summary>
    internal void Set(Metric metric, double value, string label = "")
    {
        lock (gate)
        {
            var own = Of(metric);
            if (own.ContainsKey(label) || own.Count < Most(metric)) own[label] = value;
        }
    }

    /// <summary>A counter grows.</summary>
    internal void Add(Metric metric, double value, string label = "")
    {
        lock (gate)
        {
            var own = Of(metric);
            if (own.TryGetValue(label, out var before) || own.Count < Most(metric)) own[label] = before + value;
        }
    }

    /// <summary>A gauge's values are forgotten: what it was of is elsewhere now.</summary>
    internal void Clear(Metric metric)
    {
        lock (gate) values.Remove(metric);
    }

    /// <summary>A single duration.</summary>
    internal void Record(Metric metric, double value) => record(this, metric, value);

    /// <summary>A value that is asked for when it is read; null: there is none now.</summary>
    internal void Ask(Metric metric, Func<double?> value) => Ask(metric, () => value() is { } now ? [("", now)] : []);

    /// <summary>Values by label that are asked for when they are read.</summary>
    internal void Ask(Metric metric, Func<IEnumerable<(string Label, double Value)>> read)
    {
        lock (gate) asked[metric] = read;
    }

    /// <summary>Everything of a metric, as it is now.</summary>
    internal IReadOnlyList<(string Label, double Value)> Read(Metric metric)
    {
        Func<IEnumerable<(string Label, double Value)>>? read;
        lock (gate)
        {
            if (!asked.TryGetValue(metric, out read))
                return values.TryGetValue(metric, out var own) ? [.. own.Select(static pair => (pair.Key, pair.Value))] : [];
        }

        return [.. read().Take(Most(metric))];
    }

    private static int Most(Metric metric) => metric.Label?.Most ?? 1;

    private Dictionary<string, double> Of(Metric metric)
    {
        if (!values.TryGetValue(metric, out var own)) values[metric] = own = [];
        return own;
    }
}
