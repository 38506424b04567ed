using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>Hybrid's mixing coefficient λ.</summary>
public class LambdaTests
{
    private static readonly string[] Modules = ["q_proj", "up_proj"];

    /// <summary>
    /// In the mixed forward pass the gradient of A and B carries λ and that of Q carries 1 − λ. Raw norms therefore multiply the odds λ/(1
    /// − λ) by g_L/g_B at every step, and λ runs into a bound; unmixed ones do not feed back.
    /// </summary>
    [Theory]
    [InlineData(LambdaNorms.Raw)]
    [InlineData(LambdaNorms.Unmixed)]
    public void Raw_norms_run_into_a_bound_within_300_steps_and_unmixed_ones_stay_inside(LambdaNorms norms)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Spec(model, new LambdaSpec { Norms = norms });
        using var pipeline = new LocalPipeline(spec);
        var samples = Enumerable.Range(0, 4).Select(static seed => Batches.Of([TinyModel.Ids(new Random(seed), 10)])).ToArray();
        pipeline.Initialize(samples: samples);
        var (least, most) = (1.0, 0.0);
        for (var step = 1; step <= 300; step++)
        {
            pipeline.Step(step, [samples[step % 4]], 1e-3);
            foreach (var lambda in pipeline.Versions.SelectMany(static version => version.Lambda))
                (least, most) = (Math.Min(least, lambda), Math.Max(most, lambda));
        }

        if (norms == LambdaNorms.Raw) Assert.True(least == 0.01 || most == 0.99, $"λ stayed in [{least}, {most}]");
        else Assert.True(least > 0.05 && most < 0.95, $"λ went to [{least}, {most}]");
    }

    [Theory]
    [InlineData(LambdaNorms.Unmixed, LambdaGranularity.Layer, 0.0, 0.01, 0.99, null)]
    [InlineData(LambdaNorms.Unmixed, LambdaGranularity.Module, 0.6, 0.01, 0.99, null)]
    [InlineData(LambdaNorms.Raw, LambdaGranularity.Layer, 0.9, 0.01, 0.99, null)]
    [InlineData(LambdaNorms.Raw, LambdaGranularity.Module, 0.0, 0.01, 0.99, null)]
    [InlineData(LambdaNorms.Unmixed, LambdaGranularity.Layer, 0.0, 0.01, 0.2, null)]
    [InlineData(LambdaNorms.Unmixed, LambdaGranularity.Module, 0.0, 0.01, 0.99, 0.7)]
    public void The_next_one_is_that_of_a_direct_computation_in_float64(
        LambdaNorms norms,
        LambdaGranularity granularity,
        double ema,
        double min,
        double max,
        double? constant
    )
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var options = new LambdaSpec
        {
            Norms = norms,
            Granularity = granularity,
            Ema = ema,
            Min = min,
            Max = max,
            Fixed = constant,
            Initial = "0.3",
        };
        using var pipeline = new LocalPipeline(Spec(model, options));
        var batch = Batches.Of([TinyModel.Ids(new Random(5), 12)]);
        pipeline.Initialize(samples: [batch]);
        for (var step = 1; step <= 3; step++)
        {
            var (_, gradients) = pipeline.Gradients([batch], step);
            var expected = new List<double[]>();
            for (var layer = 1; layer <= TinyModel.Layers; layer++)
            {
                double Norm(string part, string module) =>
                    pipeline
                        .Shards[layer]
                        .Layout.Trainable.Where(slot =>
                            slot.Name.Contains(part, StringComparison.Ordinal) && slot.Name.Contains(module, StringComparison.Ordinal)
                        )
                        .Sum(slot => Math.Pow(Compare.Norm(gradients[layer].narrow(0, slot.Offset, slot.Count)), 2));
                var scopes = granularity == LambdaGranularity.Module ? Modules : [""];
                expected.Add([.. scopes.Select((module, i) =>
                {
                    var lambda = pipeline.Versions[layer].Lambda[i];
                    var (lora, rotation) = (Math.Sqrt(Norm(".lora_", module)), Math.Sqrt(Norm(".boft_theta", module)));
                    if (norms == LambdaNorms.Unmixed) (lora, rotation) = (lora / lambda, rotation / (1 - lambda));
                    return constant ?? Math.Clamp((ema * lambda) + ((1 - ema) * lora / (lora + rotation)), min, max);
                })]);
            }

            pipeline.Step(step, [batch], 0.01);
            for (var layer = 1; layer <= TinyModel.Layers; layer++)
                Assert.All(pipeline.Versions[layer].Lambda.Zip(expected[layer - 1]), static pair =>
                    Assert.Equal(pair.Second, pair.First, 1e-9)
                );
            foreach (var gradient in gradients)
                gradient.Dispose();
        }
    }

    private static RunSpec Spec(TinyModel model, LambdaSpec lambda)
    {
        var spec = Specs.Hybrid(model.Folder, Modules, 2, 4, 4, 2);
        return spec with { Method = spec.Method with { InitialAdapter = null, Lambda = lambda } };
    }
}
