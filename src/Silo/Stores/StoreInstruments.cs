using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Silo.Stores;

/// <summary>Figures of the cluster's store.</summary>
internal static class StoreInstruments
{
    private static readonly Meter Meter = new(MetricNames.Meter);

    static StoreInstruments() => Meter.CreateObservableGauge(
        MetricNames.StoreAvailable,
        static () => Available ? 1 : 0,
        description: "Whether the cluster's store (Redis, PostgreSQL) answered this silo when it was last asked.");

    /// <summary>Whether it answered.</summary>
    internal static bool Available { get; set; } = true;
}
