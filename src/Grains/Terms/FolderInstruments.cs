using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Whether the folders of the runs coordinated in this process are there.</summary>
internal static class FolderInstruments
{
    private static readonly Meter Meter = new(MetricNames.Meter);
    private static readonly ConcurrentDictionary<string, bool> Folders = new();

    static FolderInstruments() => Meter.CreateObservableGauge(
        MetricNames.FolderAvailable,
        static () => Folders.Select(static run =>
            new Measurement<int>(run.Value ? 1 : 0, new KeyValuePair<string, object?>("run", run.Key))),
        description: "Whether a run's folder can be written; without it the run goes on in memory. Since the first loss.");

    internal static void Note(string runId, bool available) => Folders[runId] = available;
}
