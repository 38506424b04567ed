using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Adapters;

/// <summary>
/// What LoRA-GA's start is for: one step from it does more than one from LoRA's, both changing the weights by the same norm.
/// </summary>
public class FirstStepTests(ITestOutputHelper output)
{
    [Fact]
    public async Task On_a_real_model_a_step_from_LoRA_GAs_start_lowers_the_loss_more()
    {
        var batches = SmolLm2Samples.Take(2);
        var folder = await SmolLm2.Folder();
        double[] norms = [0.1, 0.3];
        var losses = new Dictionary<(LoraGaInitialization, OptimizerName), (double Before, double[] After)>();
        foreach (var initialization in new[] { LoraGaInitialization.Stable, LoraGaInitialization.Random })
        {
            using var scope = NewDisposeScope();
            var spec = Specs.Of(
                folder,
                new MethodSpec
                {
                    Name = MethodName.LoraGa,
                    TargetModules = ["q_proj", "v_proj"],
                    LoraGa = new LoraGaSpec { Initialization = initialization },
                }
            );
            using var first = new LocalPipeline(spec);
            first.Initialize(samples: batches);
            var (before, gradients) = first.Gradients(batches);
            foreach (var optimizer in Enum.GetValues<OptimizerName>())
            {
                using var pipeline = new LocalPipeline(
                    spec with
                    {
                        Training = spec.Training with { Optimizer = new OptimizerSpec { Name = optimizer } },
                    }
                );
                for (var i = 0; i < first.Versions.Length; i++)
                {
                    pipeline.Versions[i].Parameters.copy_(first.Versions[i].Parameters);
                    pipeline.Versions[i].Constants.copy_(first.Versions[i].Constants);
                }

                losses[(initialization, optimizer)] = (before, Steps(pipeline, gradients, batches, norms));
            }

            foreach (var gradient in gradients) gradient.Dispose();
        }

        foreach (var ((initialization, optimizer), (before, after)) in losses)
            output.WriteLine(
                $"{optimizer} {initialization}: {before:F4}, "
                    + $"{string.Join(", ", after.Zip(norms).Select(pair => $"‖ΔW‖ = {pair.Second}: −{before - pair.First:F4}"))}"
            );
        foreach (var optimizer in Enum.GetValues<OptimizerName>())
        {
            var (ours, plain) = (losses[(LoraGaInitialization.Stable, optimizer)], losses[(LoraGaInitialization.Random, optimizer)]);
            Assert.Equal(ours.Before, plain.Before, 1e-5);
            Assert.All(ours.After.Zip(plain.After), pair => Assert.True(pair.First < pair.Second && pair.Second < plain.Before));
        }
    }

    /// <summary>The mean loss after steps along a gradient that change the weights by the given norms.</summary>
    private static double[] Steps(LocalPipeline pipeline, Tensor[] gradients, Microbatch[] batches, double[] norms)
    {
        var starts = pipeline.Versions.ToArray();
        var stepped = pipeline.Shards.Select(static shard => new LayerVersion(shard.Layout, TorchRuntime.Device)).ToArray();
        double Norm(double rate)
        {
            for (var i = 0; i < starts.Length; i++)
                if (pipeline.Shards[i].Layout.Size > 0)
                    pipeline.Shards[i].Apply(starts[i], stepped[i], gradients[i], new OptimizerStep(1, 1, [rate, rate], []));
            return Math.Sqrt(pipeline.Shards.Zip(stepped).Sum(static pair => Change(pair.First.Layout, pair.Second)));
        }

        var after = new double[norms.Length];
        for (var n = 0; n < norms.Length; n++)
        {
            // The norm is almost linear in the rate.
            var rate = 1e-3;
            var norm = Norm(rate);
            for (var round = 0; round < 30 && Math.Abs((norm / norms[n]) - 1) > 1e-4; round++)
            {
                rate *= norms[n] / norm;
                norm = Norm(rate);
            }

            Assert.Equal(norms[n], norm, 1e-3 * norms[n]);
            for (var i = 0; i < starts.Length; i++) if (pipeline.Shards[i].Layout.Size > 0) pipeline.Versions[i] = stepped[i];
            after[n] = batches.Sum(batch => pipeline.Loss(batch) * batch.TargetTokens) / batches.Sum(static batch => batch.TargetTokens);
            starts.CopyTo(pipeline.Versions, 0);
        }

        foreach (var version in stepped) version.Dispose();
        return after;
    }

    /// <summary>‖s (B A − B0 A0)‖² over a layer's modules, s = 2.</summary>
    private static double Change(ParameterLayout layout, LayerVersion version)
    {
        using var scope = NewDisposeScope();
        Tensor Named(string name, IReadOnlyList<ParameterSlot> slots, Tensor buffer) =>
            slots.Single(slot => slot.Name == name).View(buffer);
        return layout
            .Trainable.Where(static slot => slot.Name.EndsWith(".lora_A.weight", StringComparison.Ordinal))
            .Sum(slot =>
            {
                var module = slot.Name[..^".lora_A.weight".Length];
                var b = Named($"{module}.lora_B.weight", layout.Trainable, version.Parameters);
                var (b0, a0) = (
                    Named($"{module}.lora_B0.weight", layout.Constants, version.Constants),
                    Named($"{module}.lora_A0.weight", layout.Constants, version.Constants)
                );
                return Math.Pow(2 * LoraLinear.ProductNorm(cat([slot.View(version.Parameters), a0], 0), cat([b, b0.neg()], 1)), 2);
            });
    }
}
