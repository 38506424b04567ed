using Microsoft.Extensions.Logging;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>Base weights of the layers that compute here, and ahead of time of those that may have to.</summary>
internal sealed partial class WeightLoader(AgentStore store, ILogger<WeightLoader> log)
{
    /// <summary>Loads what the active seats need and lets go of what is neither needed nor loaded ahead. Versions stay.</summary>
    internal async Task Seat(AgentRun run, int[] active, SeatPlan plan, CancellationToken token)
    {
        var ahead = AheadOf(plan);
        foreach (var layer in run.Layers.Keys.Except(active).Except(ahead).ToArray())
        {
            await store.Device.Run(DevicePriority.Background, () =>
            {
                if (!run.Layers.TryRemove(layer, out var unseated)) return;
                unseated.Dispose();
                run.KeptOf(layer).Unseat();
            });
        }

        await Load(run, active, token);
        await store.Device.Run(DevicePriority.Background, () =>
        {
            foreach (var layer in run.Layers.Keys)
            {
                if (active.Contains(layer)) run.KeptOf(layer).Seat(run.Layers[layer].Shard.Layout, TorchRuntime.Device);
                else run.KeptOf(layer).Unseat();
            }
        });
    }

    /// <summary>
    /// Loads in the background what the plan wants this silo to have at hand. A failure is no harm: the seat would load it itself.
    /// </summary>
    internal async Task LoadAhead(AgentRun run, SeatPlan plan, CancellationToken token)
    {
        try
        {
            await Load(run, AheadOf(plan), token);
        }
        catch (OperationCanceledException)
        {
            // Another plan has come.
        }
        catch (Exception error)
        {
            LogNotLoaded(error, run.RunId);
        }
    }

    /// <summary>Loads layers that are not loaded, one piece of device work each, so that training goes on between them.</summary>
    internal async Task Load(AgentRun run, IEnumerable<int> layers, CancellationToken token)
    {
        var setup = ModelSetup.Of(run.Setup);
        foreach (var layer in layers)
        {
            if (run.Layers.ContainsKey(layer)) continue;
            var loaded = await store.Device.Run(DevicePriority.Background, () =>
            {
                token.ThrowIfCancellationRequested();
                if (run.Layers.ContainsKey(layer)) return false;
                var training = run.Definition!.Training;
                var shard = ShardFactory.Load(setup, layer, hashed: training);
                if (training) RequireSameWeights(run, shard);
                return run.Layers.TryAdd(layer, new SeatedLayer(shard, TorchRuntime.Device, run.KeptOf(layer)));
            });
            if (loaded) LogLoaded(run.RunId, layer);
        }
    }

    /// <summary>What was read of a layer's base weights is what the run began with.</summary>
    /// <exception cref="Core.PeftException">This silo sees other weights.</exception>
    internal void RequireSameWeights(AgentRun run, LayerShard shard)
    {
        try
        {
            WeightRecord.Check(run.Definition!.Folder, shard.Layer, shard.WeightHashes, run.Setup.Path, store.Identity.Name);
        }
        catch
        {
            shard.Dispose();
            throw;
        }
    }

    /// <summary>Loads for a plan to come, of a run this silo may not know yet.</summary>
    internal Task Preload(AgentRun run, RunDefinition definition, int[] layers)
    {
        run.Definition ??= definition;
        return Load(run, layers, CancellationToken.None);
    }

    private int[] AheadOf(SeatPlan plan) => Array.Find(plan.Preloads, preload => preload.Silo == store.Identity.Name)?.Layers ?? [];

    [LoggerMessage(Level = LogLevel.Information, Message = "run {RunId}: layer {Layer} loaded")]
    private partial void LogLoaded(string runId, int layer);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: layers could not be loaded ahead of time")]
    private partial void LogNotLoaded(Exception error, string runId);
}
