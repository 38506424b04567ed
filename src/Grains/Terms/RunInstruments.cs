using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Training figures of the runs coordinated in this process, for Prometheus.</summary>
internal static class RunInstruments
{
    private static readonly Meter Meter = new(MetricNames.Meter);
    private static readonly ConcurrentDictionary<string, StepRecord> Last = new();
    private static readonly Counter<long> Tokens = Meter.CreateCounter<long>(
        MetricNames.Tokens,
        description: "Input tokens trained, padding left out."
    );
    private static readonly Counter<long> Steps = Meter.CreateCounter<long>(MetricNames.Steps, description: "Committed optimizer steps.");
    private static readonly Histogram<double> StepSeconds = Meter.CreateHistogram<double>(
        MetricNames.StepSeconds,
        unit: "s",
        description: "Time of a step until its update is sent."
    );

    private static readonly Counter<long> Comparisons = Meter.CreateCounter<long>(
        MetricNames.HashComparisons,
        description: "Comparisons of a layer's version between its seats after a step; an unequal one stops the run."
    );
    private static readonly ConcurrentDictionary<string, Dictionary<string, double>> Slowdowns = new();
    private static readonly Histogram<double> RecoverySeconds = Meter.CreateHistogram<double>(
        MetricNames.RecoverySeconds,
        unit: "s",
        description: "From drawing a term after a loss to its first committed step."
    );

    static RunInstruments()
    {
        Meter.CreateObservableGauge(
            MetricNames.Slowdown,
            static () =>
                Slowdowns.SelectMany(static run =>
                    run.Value.Select(silo => new Measurement<double>(
                        silo.Value,
                        new KeyValuePair<string, object?>("run", run.Key),
                        new KeyValuePair<string, object?>("silo", silo.Key)
                    ))
                ),
            description: "A silo's compute time per unit of its work over the fastest silo's: a straggler has 2 and more."
        );
        Gauge(MetricNames.Loss, static step => step.Loss, "Training loss of the last committed step.");
        Gauge(MetricNames.LearningRate, static step => step.LearningRate, "Learning rate of the last committed step.");
        Gauge(MetricNames.GradientNorm, static step => step.GradientNorm, "Global gradient norm before clipping.");
        Gauge(MetricNames.Term, static step => step.Term, "Term counter: grows with every recovery.");
        Gauge(MetricNames.Silos, static step => step.Silos, "Silos with an active seat.");
        Meter.CreateObservableGauge(
            MetricNames.Lambda,
            static () => Last.SelectMany(static run => run.Value.Lambda.Select((value, layer) => new Measurement<double>(
                value, new KeyValuePair<string, object?>("run", run.Key), new KeyValuePair<string, object?>("layer", layer)))),
            description: "Mixing coefficient of a decoder layer.");
    }

    internal static void Step(string runId, StepRecord record)
    {
        Last[runId] = record;
        var tag = new KeyValuePair<string, object?>("run", runId);
        Steps.Add(1, tag);
        Tokens.Add(record.Tokens, tag);
        StepSeconds.Record(record.Seconds, tag);
    }

    internal static void Compared(string runId, bool equal) =>
        Comparisons.Add(
            1,
            new KeyValuePair<string, object?>("run", runId),
            new KeyValuePair<string, object?>("equal", equal ? "true" : "false")
        );

    internal static void Slowdown(string runId, Dictionary<string, double> silos) => Slowdowns[runId] = silos;

    internal static void Recovered(string runId, double seconds) =>
        RecoverySeconds.Record(seconds, new KeyValuePair<string, object?>("run", runId));

    private static void Gauge(string name, Func<StepRecord, double> value, string description) =>
        Meter.CreateObservableGauge(
            name,
            () => Last.Select(run => new Measurement<double>(value(run.Value), new KeyValuePair<string, object?>("run", run.Key))),
            description: description);
}
