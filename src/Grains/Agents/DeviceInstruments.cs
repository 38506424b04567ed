using System.Diagnostics;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;

namespace Peft.Orleans.Grains.Agents;

/// <summary>What this silo's device and process do, and what they hold of runs.</summary>
internal sealed class DeviceInstruments
{
    /// <summary>Has the board ask.</summary>
    public DeviceInstruments(AgentStore store, FigureBoard board)
    {
        var silo = board.Silo;
        silo.Ask(DeviceMetrics.Busy, () => store.Device.Worked.TotalSeconds);
        silo.Ask(DeviceMetrics.Queue, () => Enum.GetValues<DevicePriority>()
            .Select(priority => (priority.ToString().ToLowerInvariant(), (double)store.Device.Waiting(priority))));
        silo.Ask(DeviceMetrics.BatchWait, () => store.BatchWait.TotalSeconds);
        silo.Ask(DeviceMetrics.ResidentMemory, static () => Environment.WorkingSet);
        silo.Ask(DeviceMetrics.PeakMemory, static () => PeakMemory());
        silo.Ask(DeviceMetrics.LiveTensors, static () => torch.Tensor.TotalCount);
        silo.Ask(DeviceMetrics.WeightsRead, static () => ShardFactory.WeightBytesRead);
        silo.Ask(DeviceMetrics.OutOfMemory, static () => MemoryRefusals.Count);
        silo.Ask(TrainingMetrics.Renormalizations, static () => ShardFactory.Renormalizations);
        silo.Set(DeviceMetrics.MemoryLimit, store.Identity.MemoryBytes);
        silo.Set(DeviceMetrics.Threads, store.Identity.Threads);
        if (store.Identity.PeakFlops > 0) silo.Set(DeviceMetrics.Peak, store.Identity.PeakFlops);
        silo.Ask(ElasticMetrics.SeatedLayers, () => store.TrainingRuns.Select(run => (run, (double)store.SeatedLayers(run))));
        silo.Ask(ElasticMetrics.StandbyLayers, () => store.TrainingRuns.Select(run => (run, (double)store.StandbyLayers(run).Length)));
        silo.Ask(ElasticMetrics.StandbyLayersLoaded, () => store.TrainingRuns
            .Select(run => (run, (double)store.StandbyLayers(run).Count(layer => store.Find(run)?.Layers.ContainsKey(layer) == true))));
    }

    private static double PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
