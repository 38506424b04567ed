using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Shards;

/// <summary>A pass whose gradient comes back.</summary>
internal abstract class GradientWork(Pass pass, BatchShape shape, BatchKey key) : PassWork<GradientResult>(pass)
{
    private Microbatch? batch;

    /// <summary>Ids and labels, where they were read.</summary>
    protected Microbatch Batch => batch ?? throw new System.Diagnostics.UnreachableException($"microbatch {key} was not read");

    internal override async Task Read(IBatchSource batches) => batch = await batches.Get(Pass.RunId, key);

    internal override TensorRef? GradientOf(GradientResult result) => result.Gradient;

    internal override GradientResult With(GradientResult result, TensorRef? gradient) => result with { Gradient = gradient };

    /// <summary>A block's forward pass, its activations saved.</summary>
    protected (Tensor Output, ISavedActivations? Saved) Through(
        PassPlace place,
        Kernels.Versions.LayerVersion version,
        Tensor x,
        PassContext context
    )
    {
        var y = place.Layer.Block!.Forward(version, x, shape, context, save: true, out var saved);
        return (y.MoveToOuterDisposeScope(), saved);
    }
}

/// <summary><see cref="TrainPass"/>.</summary>
internal sealed class TrainWork(TrainPass pass) : GradientWork(pass, pass.Shape, BatchKey.Training(pass.Step, pass.Index))
{
    internal override bool Counts => true;

    internal override string Where => $"step {pass.Step}, microbatch {pass.Index}";

    internal override AgentDecision May(AgentProtocol protocol, int layer) => protocol.Compute(pass.Term, pass.Step, layer);

    internal override Task<GradientResult> GoOn(ILayerShardGrain next, int position, TensorRef input) => next.Train(pass, position, input);

    internal override (Tensor Output, ISavedActivations? Saved) Forward(PassPlace place, Tensor? x)
    {
        var version = place.Layer.Version(pass.Step - 1);
        return place.First
            ? (place.Layer.Embedding!.Embed(version, Batch).MoveToOuterDisposeScope(), null)
            : Through(place, version, x!, new PassContext(place.Run.Setup.Seed, pass.Step, pass.Index, Training: true));
    }

    internal override (GradientResult Result, Tensor? Gradient) Head(PassPlace place, Tensor x)
    {
        var layer = place.Layer;
        RequireLeaf(place);
        var trains = layer.Shard.Layout.Size > 0;
        var gradient = trains ? layer.Open(pass.Index) : null;
        var result = layer.Head!.Loss(layer.Version(pass.Step - 1), x, Batch, pass.Scale, gradient);
        // Where the embedding is the same shard, its part of the gradient comes second and closes the leaf.
        if (trains && layer.Shard.Layer != 0) layer.Close(pass.Step, pass.Index, pass.Microbatches);
        return (new GradientResult(result.LossSum, null), result.InputGradient?.MoveToOuterDisposeScope());
    }

    internal override Tensor? Backward(PassPlace place, ISavedActivations? saved, Tensor dy)
    {
        var layer = place.Layer;
        RequireLeaf(place);
        var version = layer.Version(pass.Step - 1);
        Tensor? dx = null;
        if (layer.Shard.Layout.Size > 0)
        {
            var gradient = layer.Open(pass.Index);
            if (place.First) layer.Embedding!.EmbedBackward(version, Batch, dy, gradient);
            else dx = layer.Block!.Backward(version, saved!, dy, gradient);
            layer.Close(pass.Step, pass.Index, pass.Microbatches);
        }
        else if (!place.First)
        {
            dx = layer.Block!.Backward(version, saved!, dy, empty(0));
        }

        return dx?.MoveToOuterDisposeScope();
    }

    private void RequireLeaf(PassPlace place) =>
        place.Run.Require(protocol => protocol.StoreLeaf(pass.Term, pass.Step, place.Layer.Shard.Layer));
}

/// <summary><see cref="EstimatePass"/>: as training, through the frozen base, into the estimate.</summary>
internal sealed class EstimateWork(EstimatePass pass) : GradientWork(pass, pass.Shape, new BatchKey(BatchSet.Samples, 0, pass.Index))
{
    internal override string Where => $"round {pass.Round} of the estimate, sample {pass.Index}";

    internal override AgentDecision May(AgentProtocol protocol, int layer) => protocol.ComputeBase(pass.Term);

    internal override Task<GradientResult> GoOn(ILayerShardGrain next, int position, TensorRef input) =>
        next.Estimate(pass, position, input);

    internal override (Tensor Output, ISavedActivations? Saved) Forward(PassPlace place, Tensor? x)
    {
        var version = place.Layer.BaseOnly;
        return place.First
            ? (place.Layer.Embedding!.Embed(version, Batch).MoveToOuterDisposeScope(), null)
            : Through(place, version, x!, new PassContext(place.Run.Setup.Seed, pass.Round, pass.Index, Training: false));
    }

    internal override (GradientResult Result, Tensor? Gradient) Head(PassPlace place, Tensor x)
    {
        var result = place.Layer.Head!.Loss(place.Layer.BaseOnly, x, Batch, pass.Scale, null);
        return (new GradientResult(result.LossSum, null), result.InputGradient?.MoveToOuterDisposeScope());
    }

    internal override Tensor? Backward(PassPlace place, ISavedActivations? saved, Tensor dy)
    {
        place.Run.Require(protocol => protocol.ComputeBase(pass.Term));
        return place.First ? null : place.Layer.Block!.BackwardEstimate(saved!, dy, place.Layer.Estimate)?.MoveToOuterDisposeScope();
    }
}
