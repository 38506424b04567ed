using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// Adds the replicas' gradients along the fixed tree: a layer's first seat gathers the nodes that the other replicas computed inside their
/// ranges, combines the rest, and gives the whole sum back. The sum has the same bits however the microbatches were divided.
/// </summary>
internal sealed class GradientReduction(AgentStore store, ISiloAgents agents)
{
    /// <summary>At the first seats.</summary>
    internal async Task<DoneReply> Reduce(AgentRun run, ReduceMessage message)
    {
        run.Require(protocol => protocol.Compute(message.Term, message.Step, protocol.Plan!.FirstLayersOn(store.Identity.Name)[0]));
        var plan = run.Protocol.Plan!;
        var self = plan.Silo(store.Identity.Name);
        var layers = plan.FirstLayersOn(self.Name).Where(layer => run.Layers[layer].Shard.Layout.Size > 0).ToArray();
        var peers = layers
            .SelectMany(layer =>
                Enumerable.Range(1, plan.Replicas - 1).Select(replica => (Silo: plan.ActiveSilo(replica, layer), Layer: layer))
            )
            .GroupBy(static pair => pair.Silo, static pair => pair.Layer)
            .Select(group => (Silo: plan.Silo(group.Key), Layers: group.ToArray()))
            .ToArray();
        foreach (var reply in await Task.WhenAll(peers.Select(peer =>
            Agent(peer.Silo).SendSums(Asked(peer.Layers, self)))))
        {
            if (!reply.Accepted) return new DoneReply { Refusal = reply.Refusal };
            await Take(run, new TakeSumsMessage(message.RunId, message.Term, message.Step, message.Microbatches, [], reply.Sums));
        }

        foreach (var reply in await Task.WhenAll(peers.Select(async peer =>
        {
            var sums = await Send(run, Asked(peer.Layers, peer.Silo), whole: true);
            return await Agent(peer.Silo).TakeSums(
                new TakeSumsMessage(message.RunId, message.Term, message.Step, message.Microbatches, peer.Layers, sums));
        })))
        {
            if (!reply.Accepted) return reply;
        }

        return new DoneReply();

        SendSumsMessage Asked(int[] layers, PlannedSilo asking) => new(message.RunId, message.Term, message.Step, layers, asking);
    }

    /// <summary>Sends the nodes held, or the whole sums.</summary>
    internal async Task<SumTransfer[]> Send(AgentRun run, SendSumsMessage message, bool whole)
    {
        var token = run.TermToken;
        var nodes = await store.Run(
            DevicePriority.Backward,
            () =>
            {
                var found = new List<(int Layer, int Level, int Index, Tensor Sum)>();
                foreach (var index in message.Layers)
                {
                    run.Require(protocol => protocol.StoreLeaf(message.Term, message.Step, index));
                    var layer = run.Layers[index];
                    if (layer.Tree is not { } tree || layer.TreeStep != message.Step)
                        continue;
                    if (whole && !tree.Complete)
                        throw new StaleTermException($"gradients of step {message.Step} of layer {index} are not complete");
                    tree.RequireIntact();
                    foreach (var (level, place, sum) in tree.Nodes)
                        found.Add(
                            (index, level, place, (sum.device_type == DeviceType.CPU ? sum.alias() : sum.cpu()).DetachFromDisposeScope())
                        );
                }

                return found;
            }, token);
        var transfers = new List<SumTransfer>();
        foreach (var (layer, level, index, sum) in nodes)
            transfers.Add(
                new SumTransfer(layer, level, index, await store.Transport.Send(run.RunId, message.Term, message.Asking, sum, token))
            );
        return [.. transfers];
    }

    /// <summary>Takes nodes into the trees here.</summary>
    internal async Task Take(AgentRun run, TakeSumsMessage message)
    {
        var token = run.TermToken;
        foreach (var transfer in message.Sums)
        {
            var sum = await store.Transport.Receive(run.RunId, message.Term, transfer.Sum, token);
            await store.Run(DevicePriority.Backward, () =>
            {
                try
                {
                    run.Require(protocol => protocol.StoreLeaf(message.Term, message.Step, transfer.Layer));
                }
                catch
                {
                    sum.Dispose();
                    throw;
                }

                run.Layers[transfer.Layer]
                    .TreeOf(message.Step, message.Microbatches)
                    .PutNode(
                        transfer.Level,
                        transfer.Index,
                        TorchRuntime.Device.type == DeviceType.CPU ? sum : sum.to(TorchRuntime.Device)
                    );
                return 0;
            },
                CancellationToken.None
            );
        }
    }

    private ISiloAgent Agent(PlannedSilo silo) => agents.At(SiloAddress.FromParsableString(silo.Incarnation));
}
