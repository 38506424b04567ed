using Microsoft.Extensions.Logging;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>Carries out <c>Start</c>: base weights for the seats, and the target version from a holder, a snapshot, or by initialisation.</summary>
public sealed partial class SeatLoader(AgentStore store, ISiloAgents agents, ILogger<SeatLoader> log)
{
    internal async Task<AgentReply> Start(AgentRun run, StartMessage message)
    {
        await run.Phase.WaitAsync();
        try
        {
            var decision = run.Decide(protocol => protocol.Start(message.Generation, message.Plan, message.Target));
            if (!decision.Accepted) return new AgentReply { Accepted = false, Reason = decision.Reason };
            var token = run.GenerationToken;
            run.Definition = message.Run;
            run.Spec ??= RunFile.Parse(message.Run.RunYaml, "run.yaml");
            foreach (var effect in decision.Effects)
            {
                switch (effect)
                {
                    case AgentEffect.ClearGradients:
                        await OnDevice(() => { foreach (var layer in run.Layers.Values) layer.ClearGradients(); });
                        break;
                    case AgentEffect.DropVersion drop:
                        await OnDevice(() => { if (run.Layers.TryGetValue(drop.Layer, out var layer)) layer.Drop(drop.Version); });
                        lock (run.Sync) run.Records.Remove(drop.Version);
                        break;
                    case AgentEffect.TakeSeats seats:
                        await LoadWeights(run, seats.Layers, token);
                        foreach (var layer in seats.Missing) await Acquire(run, message, layer, token);
                        break;
                }
            }

            return await OnDevice(() =>
            {
                var lacking = run.Protocol.Phase != AgentPhase.Started;
                var needsEstimate = false;
                if (lacking)
                {
                    foreach (var layer in run.Layers.Values)
                    {
                        layer.Estimate?.Dispose();
                        layer.Estimate = layer.Shard.BeginGradientEstimate();
                        needsEstimate |= layer.Estimate is not null;
                    }
                }

                return new AgentReply { Accepted = true, LacksVersion = lacking, NeedsEstimate = needsEstimate };
            });
        }
        finally
        {
            run.Phase.Release();
        }
    }

    internal async Task<AgentReply> Initialize(AgentRun run, Generation generation)
    {
        await run.Phase.WaitAsync();
        try
        {
            var hashes = await OnDevice(() =>
            {
                using var adapter = run.Spec!.Method.InitialAdapter is { } folder ? AdapterTensors.Read(folder) : null;
                var done = new Dictionary<int, string>();
                foreach (var (index, layer) in run.Layers.OrderBy(static pair => pair.Key))
                {
                    if (!layer.Has(0))
                    {
                        var version = layer.Rent();
                        layer.Shard.Initialize(version, run.Spec.Seed, layer.Estimate, adapter);
                        version.Step = 0;
                        layer.Keep(version);
                    }

                    layer.EndEstimate();
                    run.Require(protocol => protocol.Held(generation, index, 0));
                    if (layer.Shard.Layout.Size > 0) done[index] = VersionCodec.Hash(layer.Version(0));
                }

                return done;
            });
            return new AgentReply { Accepted = true, Hashes = hashes };
        }
        finally
        {
            run.Phase.Release();
        }
    }

    internal async Task<AgentReply> Send(AgentRun run, Generation generation, int layer, int version, PlannedSilo target)
    {
        run.Require(protocol => protocol.Generation == generation ? AgentDecision.Nothing : AgentDecision.Refuse($"generation {generation} is not in force"));
        var token = run.GenerationToken;
        var copies = await OnDevice(() =>
        {
            var held = run.Layers[layer].Version(version);
            return new (string Name, Tensor Value)[]
            {
                (nameof(held.Parameters), Copy(held.Parameters)), (nameof(held.FirstMoment), Copy(held.FirstMoment)),
                (nameof(held.SecondMoment), Copy(held.SecondMoment)), (nameof(held.Constants), Copy(held.Constants)),
            };
        });
        var lambda = run.Layers[layer].Version(version).Lambda.ToArray();
        var tensors = new Dictionary<string, TensorRef>();
        foreach (var (name, value) in copies) tensors[name] = await store.Transport.Send(run.RunId, generation, target, value, token);
        string? record;
        lock (run.Sync) run.Records.TryGetValue(version, out record);
        return new AgentReply { Accepted = true, Tensors = tensors, Lambda = lambda, Record = record ?? "" };

        static Tensor Copy(Tensor source) => source.clone().DetachFromDisposeScope();
    }

    private async Task LoadWeights(AgentRun run, int[] layers, CancellationToken token)
    {
        var spec = run.Spec!;
        var config = LlamaConfig.Read(spec.Model.Path);
        foreach (var unseated in run.Layers.Keys.Except(layers).ToArray())
        {
            // A layer that moved away: its versions stay until the new plan's first step is applied elsewhere, its weights go.
            if (run.Protocol.Inventory.TryGetValue(unseated, out var versions) && versions.Length > 0) continue;
            await OnDevice(() => { if (run.Layers.Remove(unseated, out var layer)) layer.Dispose(); });
        }

        foreach (var layer in layers)
        {
            if (run.Layers.ContainsKey(layer)) continue;
            token.ThrowIfCancellationRequested();
            await OnDevice(() =>
            {
                var shard = ShardFactory.Load(new ShardRequest(spec, spec.Model.Path, config, layer));
                run.Layers[layer] = new SeatedLayer(shard, TorchRuntime.Device);
            });
            LogSeated(run.RunId, layer);
        }
    }

    /// <summary>Gets the target version of a layer: from a silo that holds it, else from the snapshot; version 0 waits for initialisation.</summary>
    private async Task Acquire(AgentRun run, StartMessage message, int layer, CancellationToken token)
    {
        if (message.Holders.TryGetValue(layer, out var holder) && holder != store.Identity.Name)
        {
            var self = message.Plan.Silo(store.Identity.Name);
            var from = message.Plan.Silo(holder);
            var agent = agents.At(global::Orleans.Runtime.SiloAddress.FromParsableString(from.Incarnation));
            var reply = await agent.Send(run.RunId, message.Generation, layer, message.Target, self);
            var buffers = new Dictionary<string, Tensor>();
            foreach (var (name, reference) in reply.Tensors)
                buffers[name] = await store.Transport.Receive(run.RunId, message.Generation, reference, token);
            await OnDevice(() =>
            {
                var version = run.Layers[layer].Rent();
                version.Parameters.copy_(buffers[nameof(version.Parameters)]);
                version.FirstMoment.copy_(buffers[nameof(version.FirstMoment)]);
                version.SecondMoment.copy_(buffers[nameof(version.SecondMoment)]);
                version.Constants.copy_(buffers[nameof(version.Constants)]);
                foreach (var buffer in buffers.Values) buffer.Dispose();
                Take(run, message, layer, version, reply.Lambda, reply.Record);
            });
        }
        else if (message.Target > 0 && message.SnapshotFolder is { } folder)
        {
            await OnDevice(() =>
            {
                var seated = run.Layers[layer];
                var version = seated.Rent();
                if (seated.Shard.Layout.Size > 0) VersionCodec.Read(version, Path.Combine(folder, $"layer-{layer:D4}.safetensors"));
                Take(run, message, layer, version, null, null);
            });
        }
        else if (message.Target > 0)
        {
            throw new PeftException($"version {message.Target} of layer {layer} of run {run.RunId} is on no silo and in no snapshot");
        }
    }

    private static void Take(AgentRun run, StartMessage message, int layer, LayerVersion version, double[]? lambda, string? record)
    {
        lambda?.CopyTo(version.Lambda, 0);
        version.Step = message.Target;
        version.Invalidate();
        run.Layers[layer].Keep(version);
        lock (run.Sync)
        {
            if (!string.IsNullOrEmpty(record)) run.Records[message.Target] = record;
        }

        run.Require(protocol => protocol.Held(message.Generation, layer, message.Target));
    }

    private Task<T> OnDevice<T>(Func<T> work) => store.Device.Run(DevicePriority.Background, work);

    private Task OnDevice(Action work) => store.Device.Run(DevicePriority.Background, () =>
    {
        work();
        return 0;
    });

    [LoggerMessage(Level = LogLevel.Information, Message = "run {RunId}: layer {Layer} seated")]
    private partial void LogSeated(string runId, int layer);
}
