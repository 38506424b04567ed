using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Training figures of the runs coordinated in this process, for Prometheus.</summary>
internal static class RunInstruments
{
    private static readonly Meter Meter = new(MetricNames.Meter);
    private static readonly ConcurrentDictionary<string, JsonElement> Last = new();
    private static readonly Counter<long> Tokens = Meter.CreateCounter<long>(MetricNames.Tokens, description: "Input tokens trained, padding left out.");
    private static readonly Counter<long> Steps = Meter.CreateCounter<long>(MetricNames.Steps, description: "Committed optimizer steps.");
    private static readonly Histogram<double> StepSeconds = Meter.CreateHistogram<double>(MetricNames.StepSeconds, unit: "s", description: "Time of a step until its update is sent.");

    private static readonly Counter<long> Comparisons = Meter.CreateCounter<long>(MetricNames.HashComparisons, description: "Comparisons of a layer's version between its seats after a step; an unequal one stops the run.");
    private static readonly ConcurrentDictionary<string, Dictionary<string, double>> Slowdowns = new();
    private static readonly Histogram<double> RecoverySeconds = Meter.CreateHistogram<double>(MetricNames.RecoverySeconds, unit: "s", description: "From drawing a term after a loss to its first committed step.");

    static RunInstruments()
    {
        Meter.CreateObservableGauge(MetricNames.Slowdown, static () => Slowdowns.SelectMany(static run => run.Value.Select(silo => new Measurement<double>(
            silo.Value, new KeyValuePair<string, object?>("run", run.Key), new KeyValuePair<string, object?>("silo", silo.Key)))),
            description: "A silo's compute time per unit of its work over the fastest silo's: a straggler has 2 and more.");
        Gauge(MetricNames.Loss, "loss", "Training loss of the last committed step.");
        Gauge(MetricNames.LearningRate, "learningRate", "Learning rate of the last committed step.");
        Gauge(MetricNames.GradientNorm, "gradientNorm", "Global gradient norm before clipping.");
        Gauge(MetricNames.Term, "term", "Term counter: grows with every recovery.");
        Gauge(MetricNames.Silos, "silos", "Silos with an active seat.");
        Meter.CreateObservableGauge(MetricNames.Lambda, static () => Last.SelectMany(static run => LambdaOf(run.Key, run.Value)), description: "Mixing coefficient of a decoder layer.");
    }

    internal static void Step(string runId, string line)
    {
        using var document = JsonDocument.Parse(line);
        var root = document.RootElement.Clone();
        Last[runId] = root;
        var tag = new KeyValuePair<string, object?>("run", runId);
        Steps.Add(1, tag);
        Tokens.Add(root.GetProperty("tokens").GetInt64(), tag);
        StepSeconds.Record(root.GetProperty("seconds").GetDouble(), tag);
    }

    internal static void Compared(string runId, bool equal) =>
        Comparisons.Add(1, new KeyValuePair<string, object?>("run", runId), new KeyValuePair<string, object?>("equal", equal ? "true" : "false"));

    internal static void Slowdown(string runId, Dictionary<string, double> silos) => Slowdowns[runId] = silos;

    internal static void Recovered(string runId, double seconds) => RecoverySeconds.Record(seconds, new KeyValuePair<string, object?>("run", runId));

    private static void Gauge(string name, string key, string description) =>
        Meter.CreateObservableGauge(name, () => Last.Select(run => new Measurement<double>(run.Value.GetProperty(key).GetDouble(), new KeyValuePair<string, object?>("run", run.Key))), description: description);

    private static IEnumerable<Measurement<double>> LambdaOf(string runId, JsonElement line)
    {
        if (!line.TryGetProperty("lambda", out var values)) yield break;
        var layer = 0;
        foreach (var value in values.EnumerateArray())
        {
            yield return new Measurement<double>(value.GetDouble(), new KeyValuePair<string, object?>("run", runId), new KeyValuePair<string, object?>("layer", layer));
            layer++;
        }
    }
}
