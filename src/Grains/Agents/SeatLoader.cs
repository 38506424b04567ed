using Microsoft.Extensions.Logging;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// Carries out <c>Start</c>: base weights for the active seats, and the target version for all seats, from a holder, a snapshot, or by
/// initialisation.
/// </summary>
internal sealed class SeatLoader(AgentStore store, WeightLoader weights, VersionShipping shipping, PeerWatch peers)
{
    /// <summary>Takes the seats that the plan has here.</summary>
    internal async Task<StartReply> Start(StartMessage message)
    {
        peers.Follow(message.Plan);
        var run = store.Run(message.Run.RunId);
        await run.Phase.WaitAsync();
        try
        {
            var decision = run.Decide(protocol => protocol.Start(message.Term, message.Plan, message.Target));
            if (!decision.Accepted) return new StartReply { Refusal = decision.Reason };
            var token = run.TermToken;
            run.Definition = message.Run;
            if (message.Run.Training) await RequireSameFiles(message.Run, token);

            foreach (var effect in decision.Effects)
            {
                switch (effect)
                {
                    case AgentEffect.ClearGradients:
                        await OnDevice(() => { foreach (var layer in run.Layers.Values) layer.ClearGradients(); });
                        break;
                    case AgentEffect.DropVersion drop:
                        await OnDevice(() => run.KeptOf(drop.Layer).Drop(drop.Version));
                        lock (run.Sync) run.Records.Remove(drop.Version);
                        break;
                    case AgentEffect.TakeSeats seats:
                        await weights.Seat(run, seats.Active, message.Plan, token);
                        await Acquire(run, message, seats.Missing, token);
                        break;
                }
            }

            _ = weights.LoadAhead(run, message.Plan, token);
            return await OnDevice(() => BeginEstimates(run, message.Plan));
        }
        finally
        {
            run.Phase.Release();
        }
    }

    /// <summary>
    /// Version 0 at the first seats here whose estimate is complete, from the run file alone; what the estimate held is free for the next.
    /// </summary>
    internal async Task<VersionsReply> Initialize(string runId, Term term, int pass)
    {
        var run = store.Run(runId);
        await run.Phase.WaitAsync();
        try
        {
            var hashes = await OnDevice(() =>
            {
                // The passes of the estimate left holes, and version 0 comes on top of its sums.
                TorchRuntime.ReturnFreedMemory();
                var adapter = run.Setup.Method.InitialAdapter is { } folder ? AdapterTensors.Read(folder) : null;
                var done = new Dictionary<int, string>();
                foreach (var index in run.Protocol.Plan!.FirstLayersOn(store.Identity.Name))
                {
                    var layer = run.Layers[index];
                    if (layer.Estimate?.IsCompleteAfter(pass) == false) continue;
                    if (layer.Kept.Find(0) is null)
                    {
                        var version = layer.Kept.Rent();
                        layer.Shard.Initialize(version, run.Setup.Seed, layer.Estimate, adapter);
                        // Weights that train are read here.
                        if (run.Definition!.Training) weights.RequireSameWeights(run, layer.Shard);
                        version.Step = 0;
                        run.Require(protocol => protocol.Held(term, index, 0));
                        layer.Kept.Keep(version);
                    }

                    layer.EndEstimate();
                    var held = layer.Version(0);
                    if (layer.Shard.Layout.Size > 0) done[index] = held.Hash ??= VersionCodec.Hash(held);
                }

                // The estimate held whole weights' gradients, and the decomposition of each.
                TorchRuntime.ReturnFreedMemory();
                return done;
            });
            return new VersionsReply { Hashes = hashes };
        }
        finally
        {
            run.Phase.Release();
        }
    }

    /// <summary>Loads base weights for a plan to come, of a run this silo may not know yet.</summary>
    /// <exception cref="UnfitSiloException">This silo sees other files than the run began with.</exception>
    internal async Task Preload(RunDefinition run, int[] layers)
    {
        await RequireSameFiles(run, CancellationToken.None);
        await weights.Preload(store.Run(run.RunId), run, layers);
    }

    private Task RequireSameFiles(RunDefinition run, CancellationToken token)
    {
        var silo = store.Identity.Name;
        return Task.Run(() => RunInputs.Check(run.Folder, run.Setup, silo), token);
    }

    /// <summary>The estimates that the first seats here need before version 0 can be computed.</summary>
    private StartReply BeginEstimates(AgentRun run, SeatPlan plan)
    {
        var lacking = run.Protocol.Phase != AgentPhase.Started;
        var needsEstimate = false;
        if (lacking)
        {
            foreach (var index in plan.FirstLayersOn(store.Identity.Name))
            {
                var layer = run.Layers[index];
                layer.Estimate?.Dispose();
                layer.Estimate = layer.Block?.BeginGradientEstimate();
                needsEstimate |= layer.Estimate is not null;
            }
        }

        return new StartReply { LacksVersion = lacking, NeedsEstimate = needsEstimate };
    }

    /// <summary>
    /// Gets the target version of layers: from silos that hold it, else from the snapshot; version 0 waits for initialisation.
    /// </summary>
    private async Task Acquire(AgentRun run, StartMessage message, int[] layers, CancellationToken token)
    {
        var held = layers.Where(message.Holders.ContainsKey).ToArray();
        foreach (var group in held.GroupBy(layer => message.Holders[layer]))
        {
            var record = await shipping.Fetch(run, message.Term, [.. group], message.Target, message.Plan.Silo(group.Key), token);
            Note(run, message.Target, record);
        }

        if (message.Target == 0) return;
        foreach (var layer in layers.Except(held))
        {
            if (message.SnapshotFolder is not { } folder)
                throw new PeftException($"version {message.Target} of layer {layer} of run {run.RunId} is on no silo and in no snapshot");
            await OnDevice(() => Restore(run, message, layer, folder));
        }
    }

    private static void Restore(AgentRun run, StartMessage message, int layer, string folder)
    {
        var path = Path.Combine(folder, RunFolder.LayerFile(layer));
        LayerVersion version;
        if (run.Layers.TryGetValue(layer, out var seated) && message.Plan.Seats.Any(seat => seat.Active && seat.Layer == layer))
        {
            version = seated.Kept.Rent();
            if (seated.Shard.Layout.Size > 0) VersionCodec.Read(version, path);
        }
        else
        {
            // A layer that trains nothing has no file, and nothing to keep.
            version = File.Exists(path) ? VersionCodec.Load(path) : Empty();
        }

        version.Step = message.Target;
        if (message.Plan.HasOtherSeats(layer)) version.Hash = VersionCodec.Hash(version);
        run.Require(protocol => protocol.Held(message.Term, layer, message.Target));
        run.KeptOf(layer).Keep(version);
    }

    private static LayerVersion Empty() =>
        new(TorchSharp.torch.empty(0), TorchSharp.torch.empty(0), TorchSharp.torch.empty(0), TorchSharp.torch.empty(0), []);

    private static void Note(AgentRun run, int version, StepRecord? record)
    {
        if (record is null) return;
        lock (run.Sync) run.Records[version] = record;
    }

    private Task<T> OnDevice<T>(Func<T> work) => store.Device.Run(DevicePriority.Background, work);

    private Task OnDevice(Action work) => store.Device.Run(DevicePriority.Background, work);
}
