using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Shards;

/// <summary>A pass without gradients at one version.</summary>
internal abstract class InferenceWork<TResult>(Pass pass, int version) : PassWork<TResult>(pass)
{
    internal override string Where => $"version {version}";

    internal override AgentDecision May(AgentProtocol protocol, int layer) => protocol.Compute(Pass.Term, version + 1, layer);

    /// <summary>A block's forward pass, nothing saved, nothing dropped out.</summary>
    protected (Tensor Output, ISavedActivations? Saved) Through(PassPlace place, Tensor x, BatchShape shape, int index)
    {
        var context = new PassContext(place.Run.Setup.Seed, 0, index, Training: false);
        return (
            place.Layer.Block!.Forward(place.Layer.Version(version), x, shape, context, save: false, out _).MoveToOuterDisposeScope(),
            null
        );
    }

    /// <summary>The embedding.</summary>
    protected (Tensor Output, ISavedActivations? Saved) Embed(PassPlace place, Microbatch batch) =>
        (place.Layer.Embedding!.Embed(place.Layer.Version(version), batch).MoveToOuterDisposeScope(), null);
}

/// <summary><see cref="LossPass"/>.</summary>
internal sealed class LossWork(LossPass pass) : InferenceWork<LossResult>(pass, pass.Version)
{
    private Microbatch? batch;

    internal override async Task Read(IBatchSource batches) =>
        batch = await batches.Get(pass.RunId, new BatchKey(BatchSet.Validation, 0, pass.Index));

    internal override Task<LossResult> GoOn(ILayerShardGrain next, int position, TensorRef input) => next.Loss(pass, position, input);

    internal override (Tensor Output, ISavedActivations? Saved) Forward(PassPlace place, Tensor? x) =>
        place.First ? Embed(place, batch!) : Through(place, x!, pass.Shape, pass.Index);

    internal override (LossResult Result, Tensor? Gradient) Head(PassPlace place, Tensor x)
    {
        var loss = place.Layer.Head!.Loss(place.Layer.Version(pass.Version), x, batch!, scale: null, gradient: null);
        return (new LossResult(loss.LossSum, loss.TargetTokens), null);
    }
}

/// <summary><see cref="ScorePass"/>.</summary>
internal sealed class ScoreWork(ScorePass pass) : InferenceWork<ScoreResult[]>(pass, pass.Version)
{
    internal override Task<ScoreResult[]> GoOn(ILayerShardGrain next, int position, TensorRef input) => next.Score(pass, position, input);

    internal override (Tensor Output, ISavedActivations? Saved) Forward(PassPlace place, Tensor? x) =>
        place.First ? Embed(place, pass.Batch) : Through(place, x!, pass.Batch, index: 0);

    internal override (ScoreResult[] Result, Tensor? Gradient) Head(PassPlace place, Tensor x)
    {
        var scores = place.Layer.Head!.Score(place.Layer.Version(pass.Version), x, pass.Batch);
        return ([.. scores.Select(static score => new ScoreResult(score.LogLikelihood, score.Tokens, score.IsGreedy))], null);
    }
}

/// <summary><see cref="GeneratePass"/>.</summary>
internal sealed class GenerateWork(GeneratePass pass) : InferenceWork<int[]>(pass, pass.Version)
{
    internal override Task<int[]> GoOn(ILayerShardGrain next, int position, TensorRef input) =>
        next.Generate(pass with { Tokens = null }, position, input);

    internal override (Tensor Output, ISavedActivations? Saved) Forward(PassPlace place, Tensor? x)
    {
        if (pass.DropCache)
        {
            place.Layer.DropCache(pass.Cache);
            return (empty(0).MoveToOuterDisposeScope(), null);
        }

        if (place.First) return Embed(place, pass.Tokens!);
        var cache = place.Layer.Cache(pass.Cache);
        if (pass.Padding is { } padding) cache.Pad(padding);
        if (pass.KeepRows is { } rows) cache.KeepRows(rows);
        return (place.Layer.Block!.ForwardCached(place.Layer.Version(pass.Version), x!, cache).MoveToOuterDisposeScope(), null);
    }

    internal override (int[] Result, Tensor? Gradient) Head(PassPlace place, Tensor x)
    {
        if (pass.DropCache) return ([], null);
        using var logits = place.Layer.Head!.LastLogits(place.Layer.Version(pass.Version), x);
        return (TokenChoice.Choose(logits, pass.Sampling), null);
    }
}
