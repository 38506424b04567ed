using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Adapters;

public class LoraGaTests
{
    [Fact]
    public void Base_gradients_and_initial_factors_equal_the_reference()
    {
        var golden = new Golden("loraga", "initialisation.safetensors");
        using var scope = NewDisposeScope();
        string[] targets = ["q_proj", "v_proj", "down_proj"];
        foreach (var (initialization, name) in new[] { (LoraGaInitialization.Stable, "stable"), (LoraGaInitialization.Paper, "paper") })
        {
            var spec = Specs.Hybrid(Path.Combine(golden.Folder, "base"), targets, 4, 8, 4, 1);
            spec = spec with
            {
                Method = spec.Method with
                {
                    InitialAdapter = null,
                    LoraGa = new LoraGaSpec { Initialization = initialization, GradientSamples = 8 },
                },
            };
            using var pipeline = new LocalPipeline(spec);
            var samples = Batches.EachRow(golden["input_ids"], golden["labels"]);
            pipeline.Initialize(samples: samples);
            var adapter = pipeline.Export();
            foreach (var key in golden.Names.Where(static key => key.EndsWith(".gradient", StringComparison.Ordinal)))
            {
                var module = key[..^".gradient".Length];
                // Singular vectors are unique up to sign: compare the product, in which the sign of each pair cancels for `paper`, and each
                // factor by column for both.
                CloseUpToSign(adapter[$"base_model.model.{module}.lora_B.weight"], golden[$"{module}.{name}.lora_B"]);
                CloseUpToSign(adapter[$"base_model.model.{module}.lora_A.weight"].t(), golden[$"{module}.{name}.lora_A"].t());
                Assert.True(
                    adapter[$"base_model.model.{module}.lora_A0.weight"]
                        .eq(adapter[$"base_model.model.{module}.lora_A.weight"])
                        .all()
                        .item<bool>()
                );
            }

            // Function preservation: at step 0 the model computes what its base computes.
            using var plain = new LocalPipeline(Specs.Lora(Path.Combine(golden.Folder, "base"), [], 2, 2));
            plain.Initialize();
            Compare.Within(pipeline.Logits(samples[0]), plain.Logits(samples[0]), 2e-5);
            foreach (var version in pipeline.Versions) Assert.All(version.Lambda, static lambda => Assert.InRange(lambda, 0.01, 0.99));
            foreach (var value in adapter.Values) value.Dispose();
        }
    }

    [Fact]
    public void Leading_triples_rebuild_the_matrix_and_large_ones_agree_with_exact_ones()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        foreach (var (rows, columns) in new[] { (20L, 30L), (30L, 20L) })
        {
            var g = randn([rows, columns], generator: generator);
            var (u, sigma, vt) = LoraGaInitializer.Leading(g, 20);
            Compare.Close("U Σ Vᵀ", u.mul(sigma).mm(vt), g, 1e-5);
            var entries = u.gather(0, u.abs().argmax(0, keepdim: true));
            Assert.True(entries.gt(0).all().item<bool>());
        }

        // Above 1,024 the subspace is iterated; with a gap in the spectrum it finds the planted triples.
        var (left, _) = linalg.qr(randn([1100, 6], float64, generator: generator));
        var (right, _) = linalg.qr(randn([1030, 6], float64, generator: generator));
        var values = tensor(new double[] { 32, 16, 8, 4, 2, 1 });
        var planted = left.mul(values).mm(right.t()).add_(randn([1100, 1030], float64, generator: generator).mul_(1e-4));
        var (_, found, _) = LoraGaInitializer.Leading(planted, 6);
        Compare.Close("σ", found, values, 1e-4);
    }

    [Fact]
    public void The_first_lambda_weighs_the_unmixed_gradients_at_the_start()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Hybrid(model.Folder, ["q_proj", "up_proj"], 2, 4, 4, 2);
        spec = spec with { Method = spec.Method with { InitialAdapter = null, LoraGa = new LoraGaSpec { GradientSamples = 1 } } };
        using var pipeline = new LocalPipeline(spec);
        var sample = Batches.Of([TinyModel.Ids(new Random(4), 15)]);
        pipeline.Initialize(samples: [sample]);
        var initial = pipeline.Versions.Select(static version => version.Lambda.ToArray()).ToArray();
        // The same sample as a training step: its unmixed norms are those of the first estimate.
        var (_, gradients) = pipeline.Gradients([sample]);
        for (var layer = 1; layer <= TinyModel.Layers; layer++)
            Assert.Equal(initial[layer][0], pipeline.Shards[layer].Measure(pipeline.Versions[layer], gradients[layer]).NextLambda[0], 1e-4);
        foreach (var gradient in gradients) gradient.Dispose();
    }

    private static void CloseUpToSign(Tensor actual, Tensor expected)
    {
        for (var i = 0L; i < expected.shape[1]; i++)
        {
            var (a, e) = (actual.narrow(1, i, 1), expected.narrow(1, i, 1));
            var sign = a.mul(e).sum().item<float>() < 0 ? -1 : 1;
            Compare.Close($"column {i}", a.mul(sign), e, 2e-3);
        }
    }
}
