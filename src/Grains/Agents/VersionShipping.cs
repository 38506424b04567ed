using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>Versions on their way from silo to silo: sent without a copy, taken only when their hash is right.</summary>
internal sealed class VersionShipping(AgentStore store, ISiloAgents agents)
{
    /// <summary>Sends the copies a decision asks for, one message per silo; answers with the hashes the receivers computed.</summary>
    internal async Task<VersionsReply> Protect(string runId, Term term, int version)
    {
        var run = store.Run(runId);
        var decision = run.Decide(protocol => protocol.Protect(term, version));
        if (!decision.Accepted) return new VersionsReply { Refusal = decision.Reason };
        var plan = run.Protocol.Plan!;
        var bySilo = decision.Effects.OfType<AgentEffect.SendCopies>()
            .SelectMany(static send => send.Silos.Select(silo => (silo, send.Layer)))
            .GroupBy(static pair => pair.silo, static pair => pair.Layer);
        var hashes = new Dictionary<int, string>();
        foreach (var reply in await Task.WhenAll(bySilo.Select(group => Deliver(run, term, [.. group], version, plan.Silo(group.Key)))))
        {
            if (!reply.Accepted) return reply;
            foreach (var (layer, hash) in reply.Hashes) hashes[layer] = hash;
        }

        return new VersionsReply { Hashes = hashes };
    }

    /// <summary>
    /// Copies for one silo. Those that arrive with other bytes are sent once more, if this silo's own are what they were: who takes them
    /// wrongly twice is not to be trusted.
    /// </summary>
    private async Task<VersionsReply> Deliver(AgentRun run, Term term, int[] layers, int version, PlannedSilo target)
    {
        var first = await Put(layers);
        if (first.Damaged.Length == 0) return first;
        await store.Run(DevicePriority.Background, () =>
        {
            foreach (var layer in first.Damaged) RequireIntact(run, layer, version);
            return 0;
        });
        var second = await Put(first.Damaged);
        if (second.Damaged.Length > 0)
            throw new FaultySiloException(
                [target.Name], $" received other bytes of version {version} of layer {second.Damaged[0]} than were sent, twice");
        return second.Accepted ? new VersionsReply { Hashes = first.Hashes.Concat(second.Hashes).ToDictionary() } : second;

        async Task<VersionsReply> Put(int[] of)
        {
            var versions = await Ship(run, term, of, version, target, withConstants: version == 0);
            return await agents.At(SiloAddress.FromParsableString(target.Incarnation)).Put(new PutMessage(run.RunId, term, versions));
        }
    }

    private static void RequireIntact(AgentRun run, int layer, int version)
    {
        if (run.KeptOf(layer).Find(version) is { } held) VersionCodec.RequireIntact(held);
    }

    /// <summary>
    /// Hands versions to the network. They are not copied: a version that is dropped while it travels arrives with a wrong hash, or
    /// refused.
    /// </summary>
    private async Task<VersionTransfer[]> Ship(AgentRun run, Term term, int[] layers, int version, PlannedSilo target, bool withConstants)
    {
        var token = run.TermToken;
        var held = await store.Device.Run(DevicePriority.Background, () => layers
                .Select(layer =>
                {
                    var found = run.KeptOf(layer).Find(version)
                        ?? throw new StaleTermException($"version {version} of layer {layer} is not held by silo {store.Identity.Name}");
                    found.Hash ??= VersionCodec.Hash(found);
                    return (
                        Layer: layer,
                        Buffers: VersionCodec
                            .Buffers(found)
                            .Take(
                                found.Parameters.numel() == 0 ? 0
                                : withConstants ? 4
                                : 3
                            )
                            .Select(static buffer => Alias(buffer.Value))
                            .ToArray(),
                        Lambda: found.Lambda.ToArray(),
                        found.Hash
                    );
                })
                .ToArray());
        var transfers = new List<VersionTransfer>();
        foreach (var (layer, buffers, lambda, hash) in held)
        {
            var references = new List<TensorRef>();
            foreach (var buffer in buffers) references.Add(await store.Transport.Send(run.RunId, term, target, buffer, token));
            transfers.Add(new VersionTransfer(layer, version, [.. references], lambda, hash));
        }

        return [.. transfers];

        static Tensor Alias(Tensor buffer) =>
            buffer.device_type == DeviceType.CPU ? buffer.alias().DetachFromDisposeScope() : buffer.cpu().DetachFromDisposeScope();
    }

    /// <summary>Sends a version of some layers, and its step's record, to the silo that asks.</summary>
    internal async Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target)
    {
        var run = store.Run(runId);
        run.Require(protocol => protocol.Term == term ? AgentDecision.Nothing : AgentDecision.Refuse($"term {term} is not in force"));
        await store.Run(DevicePriority.Background, () =>
        {
            foreach (var layer in layers) RequireIntact(run, layer, version);
            return 0;
        });
        var versions = await Ship(run, term, layers, version, target, withConstants: true);
        StepRecord? record;
        lock (run.Sync) run.Records.TryGetValue(version, out record);
        return new SendReply { Versions = versions, Record = record };
    }

    /// <summary><c>Put</c>: receives, checks, keeps.</summary>
    internal async Task<VersionsReply> Put(PutMessage message)
    {
        var run = store.Run(message.RunId);
        foreach (var transfer in message.Versions)
        {
            var decision = run.Decide(protocol => protocol.Take(message.Term, transfer.Layer, transfer.Version));
            if (!decision.Accepted) return new VersionsReply { Refusal = decision.Reason };
        }

        var hashes = new Dictionary<int, string>();
        var damaged = new List<int>();
        foreach (var transfer in message.Versions)
        {
            // A copy that is sent again is another one than a message that comes twice.
            var of = $"{transfer.Layer}/{transfer.Buffers.FirstOrDefault()?.Transfer}";
            if (await run.Once.Do(message.Term, nameof(Put), transfer.Version, of, () => Take(run, message.Term, transfer)))
                hashes[transfer.Layer] = transfer.Hash;
            else
                damaged.Add(transfer.Layer);
        }

        return new VersionsReply { Hashes = hashes, Damaged = [.. damaged] };
    }

    private async Task<bool> Take(AgentRun run, Term term, VersionTransfer transfer)
    {
        var buffers = await Receive(run.RunId, term, transfer, run.TermToken);
        return await store.Device.Run(DevicePriority.Backward, () => Keep(run, term, transfer, buffers), CancellationToken.None);
    }

    /// <summary>Gets versions of some layers from a silo that holds them.</summary>
    internal async Task<StepRecord?> Fetch(AgentRun run, Term term, int[] layers, int version, PlannedSilo holder, CancellationToken token)
    {
        var self = run.Protocol.Plan!.Silo(store.Identity.Name);
        var reply = await agents.At(SiloAddress.FromParsableString(holder.Incarnation)).Send(run.RunId, term, layers, version, self);
        if (!reply.Accepted) throw new StaleTermException(reply.Refusal!);
        foreach (var transfer in reply.Versions)
        {
            var buffers = await Receive(run.RunId, term, transfer, token);
            if (!await store.Device.Run(DevicePriority.Background, () => Keep(run, term, transfer, buffers), CancellationToken.None))
                throw new StaleTermException(
                    $"version {transfer.Version} of layer {transfer.Layer} arrived at silo {store.Identity.Name} with other bytes than "
                    + $"silo {holder.Name} sent");
        }

        return reply.Record;
    }

    private async Task<Tensor[]> Receive(string runId, Term term, VersionTransfer transfer, CancellationToken token)
    {
        var buffers = new List<Tensor>();
        try
        {
            foreach (var reference in transfer.Buffers) buffers.Add(await store.Transport.Receive(runId, term, reference, token));
            return [.. buffers];
        }
        catch
        {
            foreach (var buffer in buffers) buffer.Dispose();
            throw;
        }
    }

    /// <summary>
    /// On the device thread: what arrived becomes a version of this silo, if it is what was sent and the term still stands.
    /// </summary>
    /// <returns>False: it is not what was sent.</returns>
    private bool Keep(AgentRun run, Term term, VersionTransfer transfer, Tensor[] buffers)
    {
        var kept = run.KeptOf(transfer.Layer);
        var version = Unpack(kept, transfer, buffers);
        try
        {
            if (VersionCodec.Hash(version) != transfer.Hash)
            {
                version.Dispose();
                return false;
            }

            version.Hash = transfer.Hash;
            run.Require(protocol => protocol.Held(term, transfer.Layer, transfer.Version));
        }
        catch
        {
            version.Dispose();
            throw;
        }

        kept.Adopt(version);
        return true;
    }

    private LayerVersion Unpack(KeptVersions kept, VersionTransfer transfer, Tensor[] buffers)
    {
        Tensor Constants() => buffers.Length == 4
            ? buffers[3]
            // A layer's constants are the same in all its versions: those held serve the new one.
            : kept.All.FirstOrDefault()?.Constants.alias()
                ?? throw new StaleTermException($"layer {transfer.Layer} came without constants, and silo {store.Identity.Name} has none");

        var lambda = transfer.Lambda.ToArray();
        return buffers.Length == 0
            ? new LayerVersion(empty(0), empty(0), empty(0), empty(0), lambda) { Step = transfer.Version }
            : new LayerVersion(buffers[0], buffers[1], buffers[2], Constants(), lambda) { Step = transfer.Version };
    }
}
