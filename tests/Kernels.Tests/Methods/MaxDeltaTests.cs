using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>Eq. 2: <c>‖ΔW‖_F ≤ c ‖W0‖_F</c>.</summary>
public class MaxDeltaTests
{
    [Fact]
    public void The_norm_of_the_product_is_that_of_the_dense_matrix()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        foreach (var (d, k, r) in new[] { (20L, 30L, 4L), (5L, 3L, 7L), (1L, 1L, 1L) })
        {
            var (b, a) = (randn([d, r], generator: generator), randn([r, k], generator: generator));
            var expected = Compare.Norm(b.to(float64).mm(a.to(float64)));
            Assert.Equal(expected, LoraLinear.ProductNorm(a, b), 1e-10 * expected);
        }

        Assert.Equal(0, LoraLinear.ProductNorm(randn(2, 3), zeros(4, 2)));
    }

    [Theory]
    [InlineData(OptimizerName.AdamW, 0.05)]
    [InlineData(OptimizerName.Sgd, 2.0)]
    public void The_change_stays_inside_the_bound_with_the_direction_of_the_step(OptimizerName optimizer, double rate)
    {
        const double Ratio = 0.05;
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var batch = Batches.Of([TinyModel.Ids(new Random(1), 12)]);
        LocalPipeline Start(double? ratio)
        {
            var spec = Specs.Lora(model.Folder, ["q_proj", "v_proj", "down_proj"], 3, 6);
            spec = spec with
            {
                Method = spec.Method with { Lora = spec.Method.Lora with { MaxDeltaRatio = ratio } },
                Training = spec.Training with { Optimizer = new OptimizerSpec { Name = optimizer } },
            };
            var pipeline = new LocalPipeline(spec);
            pipeline.Initialize();
            return pipeline;
        }

        Dictionary<string, double> Ratios(LocalPipeline pipeline)
        {
            var adapter = pipeline.Export();
            return adapter
                .Keys.Where(static key => key.EndsWith("lora_A.weight", StringComparison.Ordinal))
                .ToDictionary(
                    static key => key,
                    key =>
                    {
                        var change =
                            adapter[key.Replace("lora_A", "lora_B", StringComparison.Ordinal)].to(float64).mm(adapter[key].to(float64))
                            * 2;
                        return Compare.Norm(change)
                            / Compare.Norm(
                                model.Weights[key["base_model.model.".Length..].Replace(".lora_A", "", StringComparison.Ordinal)]
                            );
                    }
                );
        }

        using var bounded = Start(Ratio);
        using var loose = Start(1e6);
        using var free = Start(null);
        for (var step = 1; step <= 8; step++)
        {
            foreach (var pipeline in new[] { bounded, loose, free }) pipeline.Step(step, [batch], rate);
            Assert.All(Ratios(bounded), static pair => Assert.InRange(pair.Value, 0, Ratio * (1 + 1e-6)));
        }

        // Without it the bound would be broken; where it binds the change is on it; a loose one changes no bit.
        Assert.Contains(Ratios(free), static pair => pair.Value > 2 * Ratio);
        Assert.Contains(Ratios(bounded), static pair => pair.Value > Ratio * (1 - 1e-5));
        for (var layer = 0; layer < free.Versions.Length; layer++)
            Assert.True(loose.Versions[layer].Parameters.eq(free.Versions[layer].Parameters).all().item<bool>());
    }

    [Fact]
    public void Both_factors_are_scaled_alike()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var batch = Batches.Of([TinyModel.Ids(new Random(1), 12)]);
        var exports = new List<Dictionary<string, Tensor>>();
        foreach (var ratio in new double?[] { null, 1e-4 })
        {
            var spec = Specs.Lora(model.Folder, ["q_proj"], 3, 6);
            using var pipeline = new LocalPipeline(
                spec with
                {
                    Method = spec.Method with { Lora = spec.Method.Lora with { MaxDeltaRatio = ratio } },
                }
            );
            pipeline.Initialize();
            pipeline.Step(1, [batch], 0.05);
            exports.Add(pipeline.Export());
        }

        foreach (var (name, value) in exports[0].Where(static pair => pair.Key.EndsWith("lora_A.weight", StringComparison.Ordinal)))
        {
            var partner = name.Replace("lora_A", "lora_B", StringComparison.Ordinal);
            var weight = model.Weights[name["base_model.model.".Length..].Replace(".lora_A", "", StringComparison.Ordinal)];
            var factor = Math.Sqrt(1e-4 * Compare.Norm(weight) / (2 * LoraLinear.ProductNorm(value, exports[0][partner])));
            Assert.InRange(factor, 0, 0.9);
            foreach (var key in new[] { name, partner }) Compare.Close(key, exports[1][key], exports[0][key] * factor, 1e-5);
        }
    }
}
