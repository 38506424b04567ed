using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Figures;

/// <summary>
/// The figures of a silo and of the runs that it coordinates, and the instruments through which they are read: one for each metric of the
/// catalogue. A run's series end when it is taken off the board.
/// </summary>
internal sealed class FigureBoard : IDisposable
{
    private readonly TimeProvider time;
    private readonly ConcurrentDictionary<string, FigureSet> runs = new(StringComparer.Ordinal);
    private readonly Meter meter = new(MetricCatalogue.Meter);
    private readonly Dictionary<Metric, Histogram<double>> ofSilo;
    private readonly Lock renewing = new();
    private volatile RunHistograms ofRuns = new();

    /// <summary>Makes the instruments.</summary>
    /// <param name="silo">Name of the silo.</param>
    /// <param name="time">Clock of what is kept for some time.</param>
    internal FigureBoard(string silo, TimeProvider time)
    {
        this.time = time;
        ofSilo = HistogramsOf(meter, MetricOwner.Silo);
        Silo = new FigureSet(MetricOwner.Silo, silo, (set, metric, value) => ofSilo[metric].Record(value, set.Owner));
        foreach (var metric in MetricCatalogue.All)
        {
            if (metric.Kind == MetricKind.Gauge)
                meter.CreateObservableGauge(metric.Name, () => Observe(metric), metric.Unit, metric.Meaning);
            if (metric.Kind == MetricKind.Counter)
                meter.CreateObservableCounter(metric.Name, () => Observe(metric), metric.Unit, metric.Meaning);
        }

        Silo.Ask(ProgressMetrics.Runs, () => runs.Count(static run => !run.Value.HasEnded));
    }

    /// <summary>Figures of the silo.</summary>
    internal FigureSet Silo { get; }

    /// <summary>A run is coordinated here from now on; what was known of it before is forgotten.</summary>
    internal FigureSet Begin(string runId) =>
        runs[runId] = new FigureSet(MetricOwner.Run, runId, (set, metric, value) => ofRuns.All[metric].Record(value, set.Owner));

    /// <summary>A run has ended: its series end too, once whoever reads them has had the time to.</summary>
    internal async Task End(FigureSet run, TimeSpan kept)
    {
        run.HasEnded = true;
        await Task.Delay(kept, time);
        Drop(run);
    }

    /// <summary>A run is coordinated elsewhere: its series end at once.</summary>
    internal void Drop(FigureSet run)
    {
        if (!runs.TryRemove(new((string)run.Owner.Value!, run))) return;
        // The SDK keeps whatever a histogram has seen, until its meter ends; those of other runs begin anew at 0.
        lock (renewing)
        {
            var former = ofRuns;
            ofRuns = new RunHistograms();
            former.Dispose();
        }
    }

    public void Dispose()
    {
        meter.Dispose();
        ofRuns.Dispose();
    }

    private static Dictionary<Metric, Histogram<double>> HistogramsOf(Meter meter, MetricOwner owner) => MetricCatalogue.All
        .Where(metric => metric.Kind == MetricKind.Histogram && metric.Owner == owner)
        .ToDictionary(static metric => metric, metric => meter.CreateHistogram(
            metric.Name,
            metric.Unit,
            metric.Meaning,
            tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = metric.Buckets }));

    private IEnumerable<Measurement<double>> Observe(Metric metric)
    {
        var owners = metric.Owner == MetricOwner.Silo ? [Silo] : runs.Values.Take(MetricLabel.Run.Most);
        foreach (var owner in owners)
        {
            foreach (var (label, value) in owner.Read(metric))
            {
                yield return metric.Label is { } own
                    ? new Measurement<double>(value, owner.Owner, new KeyValuePair<string, object?>(own.Name, label))
                    : new Measurement<double>(value, owner.Owner);
            }
        }
    }

    private sealed class RunHistograms : IDisposable
    {
        private readonly Meter meter = new(MetricCatalogue.Meter);

        internal RunHistograms() => All = HistogramsOf(meter, MetricOwner.Run);

        internal Dictionary<Metric, Histogram<double>> All { get; }

        public void Dispose() => meter.Dispose();
    }
}
