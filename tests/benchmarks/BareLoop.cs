using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// The same training step as a silo makes, as a plain loop over the layers on the calling thread: no Orleans, no protocol.
/// </summary>
internal sealed class BareLoop : IDisposable
{
    private readonly RunSpec spec;
    private readonly LayerShard[] shards;
    private readonly LayerVersion[] current;
    private readonly LayerVersion[] next;

    internal BareLoop(RunSpec spec)
    {
        this.spec = spec;
        var setup = RunSetup.Of(spec);
        shards = [.. Enumerable.Range(0, setup.Model.LayerCount).Select(layer => ShardFactory.Load(setup, layer))];
        current = [.. shards.Select(static shard => new LayerVersion(shard.Layout, TorchRuntime.Device))];
        next = [.. shards.Select(static shard => new LayerVersion(shard.Layout, TorchRuntime.Device))];
        for (var i = 0; i < shards.Length; i++)
        {
            shards[i].Initialize(current[i], spec.Seed, null, null);
            current[i].Step = 0;
        }
    }

    /// <summary>One step on one microbatch; returns the loss.</summary>
    internal double Step(int step, Microbatch batch)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var targets = batch.TargetTokens;
        var gradients = shards
            .Select(static shard => shard.Layout.Size > 0 ? zeros(shard.Layout.Size, float32, TorchRuntime.Device) : null)
            .ToArray();
        var saved = new ISavedActivations?[shards.Length];
        var inputs = new Tensor[shards.Length];
        var x = ((IEmbedding)shards[0]).Embed(current[0], batch);
        for (var i = 1; i < shards.Length - 1; i++)
        {
            inputs[i] = x;
            var pass = new PassContext(spec.Seed, step, 0, Training: true);
            x = ((IBlock)shards[i]).Forward(current[i], x, batch, pass, save: true, out saved[i]);
        }

        var head = ((IHead)shards[^1]).Loss(current[^1], x, batch, 1.0 / targets, gradients[^1]);
        x.Dispose();
        var dy = head.InputGradient;
        for (var i = shards.Length - 2; i > 0 && dy is not null; i--)
        {
            var dx = ((IBlock)shards[i]).Backward(current[i], saved[i]!, dy, gradients[i] ?? empty(0));
            dy.Dispose();
            saved[i]!.Dispose();
            inputs[i].Dispose();
            dy = dx;
        }

        var norm = 0.0;
        var measures = new GradientMeasure?[shards.Length];
        for (var i = 0; i < shards.Length; i++)
        {
            if (gradients[i] is not { } gradient) continue;
            measures[i] = shards[i].Measure(current[i], gradient);
            norm += measures[i]!.SquaredNorm;
        }

        var clip = spec.Training.MaxGradNorm is { } limit ? Math.Min(1.0, limit / (Math.Sqrt(norm) + 1e-6)) : 1.0;
        var rate = spec.Training.Optimizer.LearningRate;
        for (var i = 0; i < shards.Length; i++)
        {
            if (gradients[i] is not { } gradient) continue;
            shards[i].Apply(current[i], next[i], gradient, new OptimizerStep(step, clip, [rate, rate], measures[i]!.NextLambda));
            next[i].Step = step;
            (current[i], next[i]) = (next[i], current[i]);
            next[i].Invalidate();
        }

        return head.LossSum / targets;
    }

    public void Dispose()
    {
        foreach (var version in current.Concat(next)) version.Dispose();
        foreach (var shard in shards) shard.Dispose();
    }
}
