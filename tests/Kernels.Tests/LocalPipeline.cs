using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests;

/// <summary>
/// All shards of a model in one process, driven as a cluster drives them: forward down the chain, gradients back, tree, measure, apply.
/// </summary>
internal sealed class LocalPipeline : IDisposable
{
    private readonly RunSpec spec;
    private readonly LayerShard[] shards;
    private readonly LayerVersion[] next;
    private readonly bool tied;

    internal LocalPipeline(RunSpec spec)
    {
        this.spec = spec;
        var setup = RunSetup.Of(spec);
        Model = setup.Model;
        tied = Model.Dimensions.TrainsTiedEmbedding(spec.Method);
        var count = Model.LayerCount - (tied ? 1 : 0);
        shards = [.. Enumerable.Range(0, count).Select(layer => ShardFactory.Load(setup, layer))];
        Versions = [.. shards.Select(static shard => new LayerVersion(shard.Layout, TorchRuntime.Device))];
        next = [.. shards.Select(static shard => new LayerVersion(shard.Layout, TorchRuntime.Device))];
    }

    internal ModelFolder Model { get; }

    internal IReadOnlyList<LayerShard> Shards => shards;

    internal LayerVersion[] Versions { get; }

    /// <summary>What the layers measured of the last step's gradients.</summary>
    internal GradientMeasure[] Measures { get; private set; } = [];

    internal IHead Head => (IHead)(tied ? shards[0] : shards[^1]);

    internal LayerVersion HeadVersion => tied ? Versions[0] : Versions[^1];

    private IEmbedding Embedding => (IEmbedding)shards[0];

    private IBlock Block(int layer) => (IBlock)shards[layer];

    private int Blocks => Model.Dimensions.Blocks;

    internal void Initialize(AdapterTensors? adapter = null, IReadOnlyList<Microbatch>? samples = null)
    {
        var estimates = Estimate(samples ?? []);
        for (var i = 0; i < shards.Length; i++)
        {
            shards[i].Initialize(Versions[i], spec.Seed, estimates[i], adapter);
            estimates[i]?.Dispose();
        }
    }

    /// <summary>The base gradients of some samples, where a shard asks for them; owned by the caller.</summary>
    internal BaseGradientEstimate?[] Estimate(IReadOnlyList<Microbatch> samples)
    {
        var estimates = shards.Select(static shard => (shard as IBlock)?.BeginGradientEstimate()).ToArray();
        if (estimates.All(static estimate => estimate is null))
            return estimates;
        foreach (
            var (pass, i) in Enumerable
                .Range(1, BaseGradientEstimate.Passes(spec.Method, Model.Dimensions))
                .SelectMany(pass => Enumerable.Range(0, samples.Count).Select(i => (pass, i)))
        )
        {
            using var scope = NewDisposeScope();
            Pass(samples[i], new PassContext(spec.Seed, pass, i, false), 1.0 / samples[i].TargetTokens, null, estimates);
        }

        return estimates;
    }

    /// <summary>fp32 logits of every position, <c>[rows · columns, vocabulary]</c>.</summary>
    internal Tensor Logits(Microbatch batch)
    {
        using var scope = NewDisposeScope();
        var x = Hidden(batch);
        return Head.LastLogits(HeadVersion, x.view(-1, 1, Model.Dimensions.HiddenSize)).MoveToOuterDisposeScope();
    }

    internal Tensor Hidden(Microbatch batch)
    {
        using var scope = NewDisposeScope();
        return HiddenStates(batch)[^1].MoveToOuterDisposeScope();
    }

    /// <summary>The input of each block, and of the head, in the caller's scope.</summary>
    internal List<Tensor> HiddenStates(Microbatch batch)
    {
        List<Tensor> states = [Embedding.Embed(Versions[0], batch)];
        for (var layer = 1; layer <= Blocks; layer++)
            states.Add(Block(layer).Forward(Versions[layer], states[^1], batch, default, false, out _));
        return states;
    }

    internal double Loss(Microbatch batch)
    {
        using var scope = NewDisposeScope();
        var result = Head.Loss(HeadVersion, Hidden(batch), batch, null, null);
        return result.LossSum / result.TargetTokens;
    }

    internal IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(Microbatch batch)
    {
        using var scope = NewDisposeScope();
        return Head.Score(HeadVersion, Hidden(batch), batch);
    }

    /// <summary>Logits after each row's last token and after one more, with the cache; shorter rows are padded on the left.</summary>
    internal (Tensor Prompt, Tensor Next) CachedLogits(int[][] prompts, int[] more)
    {
        using var scope = NewDisposeScope();
        var longest = prompts.Max(static prompt => prompt.Length);
        int[] padding = [.. prompts.Select(prompt => longest - prompt.Length)];
        var caches = Enumerable.Range(0, Blocks).Select(static _ => new KeyValueCache()).ToArray();
        foreach (var cache in caches) cache.Pad(padding);
        Tensor Pass(int[][] rows)
        {
            var x = Embedding.Embed(Versions[0], Batches.Of(rows));
            for (var layer = 1; layer <= Blocks; layer++) x = Block(layer).ForwardCached(Versions[layer], x, caches[layer - 1]);
            return Head.LastLogits(HeadVersion, x);
        }

        var first = Pass([.. prompts.Select((prompt, i) => (int[])[.. new int[padding[i]], .. prompt])]);
        var second = Pass([.. more.Select(static token => new[] { token })]);
        foreach (var cache in caches) cache.Dispose();
        return (first.MoveToOuterDisposeScope(), second.MoveToOuterDisposeScope());
    }

    internal List<int> Greedy(int[] prompt, int tokens)
    {
        var caches = Enumerable.Range(0, Blocks).Select(static _ => new KeyValueCache()).ToArray();
        var result = new List<int>();
        var input = prompt;
        for (var i = 0; i < tokens; i++)
        {
            using var scope = NewDisposeScope();
            var x = Embedding.Embed(Versions[0], Batches.Of([input]));
            for (var layer = 1; layer <= Blocks; layer++) x = Block(layer).ForwardCached(Versions[layer], x, caches[layer - 1]);
            input = [(int)Head.LastLogits(HeadVersion, x).argmax(1).item<long>()];
            result.Add(input[0]);
        }

        foreach (var cache in caches) cache.Dispose();
        return result;
    }

    /// <summary>Loss and gradients of a global batch, one flat gradient a layer; owned by the caller.</summary>
    internal (double Loss, Tensor[] Gradients) Gradients(IReadOnlyList<Microbatch> batches, int step = 1, IEnumerable<int>? order = null)
    {
        var targets = batches.Sum(static batch => batch.TargetTokens);
        var trees = shards.Select(_ => new GradientTree(batches.Count)).ToArray();
        var losses = new double[batches.Count];
        foreach (var index in order ?? Enumerable.Range(0, batches.Count))
        {
            using var scope = NewDisposeScope();
            var gradients = shards.Select(static shard => zeros(shard.Layout.Size, float32).DetachFromDisposeScope()).ToArray();
            losses[index] = Pass(batches[index], new PassContext(spec.Seed, step, index, true), 1.0 / targets, gradients, null);
            for (var i = 0; i < shards.Length; i++) trees[i].Put(index, gradients[i]);
        }

        var roots = trees.Select(static tree => tree.Root.clone().DetachFromDisposeScope()).ToArray();
        foreach (var tree in trees) tree.Clear();
        return (losses.Sum() / targets, roots);
    }

    /// <summary>One optimizer step; loss before it, gradient norm before clipping, λ of the forward pass by decoder layer.</summary>
    internal (double Loss, double Norm, double[] Lambda) Step(
        int step,
        IReadOnlyList<Microbatch> batches,
        double learningRate,
        double? rotationLearningRate = null
    )
    {
        var lambda = Versions.SelectMany(static version => version.Lambda).ToArray();
        var (loss, gradients) = Gradients(batches, step);
        var measures = shards.Select((shard, i) => shard.Measure(Versions[i], gradients[i])).ToArray();
        Measures = measures;
        var norm = Math.Sqrt(measures.Sum(static measure => measure.SquaredNorm));
        var clip = spec.Training.MaxGradNorm is { } max ? Math.Min(1, max / (norm + 1e-6)) : 1;
        for (var i = 0; i < shards.Length; i++)
        {
            shards[i]
                .Apply(
                    Versions[i],
                    next[i],
                    gradients[i],
                    new OptimizerStep(step, clip, [learningRate, rotationLearningRate ?? learningRate], measures[i].NextLambda)
                );
            (Versions[i], next[i]) = (next[i], Versions[i]);
            gradients[i].Dispose();
        }

        return (loss, norm, lambda);
    }

    /// <summary>All tensors of the adapter (or model) by name; owned by the caller.</summary>
    internal Dictionary<string, Tensor> Export() =>
        shards.SelectMany((shard, i) => shard.Export(Versions[i])).ToDictionary(static pair => pair.Name, static pair => pair.Value);

    /// <summary>A slot's part of a layer's gradient, by tensor name.</summary>
    internal Tensor Gradient(Tensor[] gradients, string name)
    {
        for (var i = 0; i < shards.Length; i++)
        {
            if (shards[i].Layout.Trainable.FirstOrDefault(slot => slot.Name == name) is { } slot)
                return gradients[i].narrow(0, slot.Offset, slot.Count).view(slot.Shape);
        }

        throw new KeyNotFoundException(name);
    }

    public void Dispose()
    {
        foreach (var version in Versions) version.Dispose();
        foreach (var version in next) version.Dispose();
        foreach (var shard in shards) shard.Dispose();
    }

    private double Pass(Microbatch batch, PassContext pass, double scale, Tensor[]? gradients, BaseGradientEstimate?[]? estimates)
    {
        var saved = new ISavedActivations?[Blocks + 1];
        var inputs = new List<Tensor>();
        var x = Embedding.Embed(Versions[0], batch);
        for (var layer = 1; layer <= Blocks; layer++)
        {
            inputs.Add(x);
            x = Block(layer).Forward(Versions[layer], x, batch, pass, true, out saved[layer]);
        }

        var head = Head.Loss(HeadVersion, x, batch, scale, gradients is null ? null : tied ? gradients[0] : gradients[^1]);
        inputs.Add(x);
        var dx = head.InputGradient;
        for (var layer = Blocks; layer >= 1 && dx is not null; layer--)
        {
            var dy = dx;
            dx = estimates is null
                ? Block(layer).Backward(Versions[layer], saved[layer]!, dy, gradients![layer])
                : Block(layer).BackwardEstimate(saved[layer]!, dy, estimates[layer]);
            dy.Dispose();
        }

        if (dx is not null && gradients is not null && shards[0].Layout.Size > 0)
            Embedding.EmbedBackward(Versions[0], batch, dx, gradients[0]);
        dx?.Dispose();
        foreach (var input in inputs) input.Dispose();
        foreach (var item in saved) item?.Dispose();
        return head.LossSum;
    }
}
