using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Kernels.Shards;
using TorchSharp;

namespace Peft.Orleans.Grains.Agents;

/// <summary>Figures of this silo, for Prometheus.</summary>
internal sealed class SiloInstruments
{
    /// <summary>Registers the figures.</summary>
    public SiloInstruments(AgentStore store, IMeterFactory meters)
    {
        var meter = meters.Create(MetricNames.Meter);
        meter.CreateObservableGauge(
            MetricNames.ResidentMemory,
            static () => Environment.WorkingSet,
            unit: "By",
            description: "Resident memory of the silo's process."
        );
        meter.CreateObservableGauge(
            MetricNames.LiveTensors,
            static () => torch.Tensor.TotalCount,
            description: "Tensors alive in the process; grows only by a leak."
        );
        meter.CreateObservableCounter(
            MetricNames.WeightBytesRead,
            static () => ShardFactory.WeightBytesRead,
            unit: "By",
            description: "Bytes of base weights read by this silo: only those of its own layers."
        );
        meter.CreateObservableCounter(
            MetricNames.DataPlaneBytesSent,
            () => store.Transport.BytesSent,
            unit: "By",
            description: "Bytes of tensors sent to other silos."
        );
        meter.CreateObservableGauge(
            MetricNames.SeatedLayers,
            () =>
                store.RunIds.Select(run => new Measurement<int>(store.SeatedLayers(run), new KeyValuePair<string, object?>("run", run))),
            description: "Layers of a run seated on this silo."
        );
    }
}
