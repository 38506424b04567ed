using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Kernels.Versions;

namespace Peft.Orleans.Grains.Agents;

/// <summary>What the agent does with its layers on the device thread at the end of a step.</summary>
internal static class StepWork
{
    /// <summary>Norm and next λ of every active layer. A layer that trains nothing measures zero.</summary>
    internal static Dictionary<int, LayerMeasure> Measure(AgentRun run, string silo, int step)
    {
        var measures = new Dictionary<int, LayerMeasure>();
        // A layer that has moved away may still be held here; only those that compute here measure.
        foreach (var index in run.Protocol.Plan!.ActiveLayersOn(silo))
        {
            var layer = run.Layers[index];
            if (layer.Shard.Layout.Size == 0)
            {
                measures[index] = new LayerMeasure(0, [], []);
                continue;
            }

            if (layer.Measure is null)
            {
                if (layer.Tree is not { Complete: true } tree || layer.TreeStep != step)
                    throw new StaleTermException($"gradients of step {step} of layer {index} are not complete");
                var current = layer.Version(step - 1);
                var measured = layer.Shard.Measure(current, tree.Root);
                layer.Measure = new LayerMeasure(measured.SquaredNorm, [.. current.Lambda], measured.NextLambda)
                {
                    Components = measured.Components,
                    OrthogonalityError = measured.OrthogonalityError,
                    UnitarityError = measured.UnitarityError,
                };
            }

            measures[index] = layer.Measure;
        }

        return measures;
    }

    /// <summary>Drops what the decision says, takes the optimizer step, and tells the protocol.</summary>
    internal static Dictionary<int, string> Apply(AgentRun run, string silo, ApplyMessage message, IReadOnlyList<AgentEffect> effects)
    {
        foreach (var effect in effects)
        {
            switch (effect)
            {
                case AgentEffect.DropVersion drop:
                    run.KeptOf(drop.Layer).Drop(drop.Version);
                    break;
                case AgentEffect.TakeStep step:
                    foreach (var index in step.Layers) TakeStep(run, run.Layers[index], message);
                    break;
            }
        }

        lock (run.Sync)
        {
            run.Records[message.Step] = message.Record;
            foreach (var old in run.Records.Keys.Where(held => held < message.Step - 1).ToArray()) run.Records.Remove(old);
        }

        var hashes = new Dictionary<int, string>();
        // What another seat sent says nothing: only those that compute a layer are compared.
        foreach (var index in run.Protocol.Plan!.ActiveLayersOn(silo))
        {
            if (run.Layers[index].Kept.Find(message.Step)?.Hash is { } hash) hashes[index] = hash;
        }

        return hashes;
    }

    private static void TakeStep(AgentRun run, SeatedLayer layer, ApplyMessage message)
    {
        var current = layer.Version(message.Step - 1);
        // All passes of the step have read it, and nothing is made from it any more once it was seen to be whole.
        VersionCodec.RequireIntact(current);
        var next = layer.Kept.Rent();
        try
        {
            // A layer that trains nothing has the former version under a new number.
            if (layer.Shard.Layout.Size > 0)
            {
                if (layer.Tree is not { Complete: true } tree || layer.TreeStep != message.Step || layer.Measure is null)
                    throw new StaleTermException($"step {message.Step} of layer {layer.Shard.Layer} was not prepared");
                tree.RequireIntact();
                layer.Shard.Apply(current, next, tree.Root, new OptimizerStep(
                    message.Step, message.Clip, message.Rates, layer.Measure.NextLambda));
            }

            next.Step = message.Step;
            // A layer with one seat has nothing to be compared with.
            var compared = layer.Shard.Layout.Size > 0 && run.Protocol.Plan!.HasOtherSeats(layer.Shard.Layer);
            next.Hash = compared ? VersionCodec.Hash(next) : null;
            // Where no other replica computes it, there is no other word.
            var said = run.Protocol.Plan!.Replicas > 1 ? next.Hash ?? "" : "";
            run.Require(protocol => protocol.Held(message.Term, layer.Shard.Layer, message.Step, said));
        }
        catch
        {
            layer.Kept.Return(next);
            throw;
        }

        layer.Kept.Keep(next);
        layer.ClearGradients();
    }
}
