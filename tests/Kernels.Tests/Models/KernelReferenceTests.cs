using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>Every hand-written kernel against the float64 reference, with nothing but this repository.</summary>
public class KernelReferenceTests
{
    private static readonly string[] All = [.. LlamaShaped.Modules];

    public static TheoryData<bool, bool, bool> Shapes => new() { { false, false, false }, { true, false, true }, { false, true, true } };

    [Theory, MemberData(nameof(Shapes))]
    public void Full_gradients(bool tied, bool bias, bool packed)
    {
        using var model = new TinyModel(tied, bias);
        FullGradients(model, tied, packed);
    }

    /// <summary>A family from this assembly: its norms' scales and shifts train too.</summary>
    [Theory, MemberData(nameof(Shapes))]
    public void Full_gradients_of_a_family_from_outside(bool tied, bool bias, bool packed)
    {
        LayerNormFamily.Register();
        using var model = new TinyModel(tied, bias, shifts: true);
        FullGradients(model, tied, packed);
    }

    [Theory, MemberData(nameof(Shapes))]
    public void Lora_gradients_of_a_family_from_outside(bool tied, bool bias, bool packed)
    {
        LayerNormFamily.Register();
        using var model = new TinyModel(tied, bias, shifts: true);
        LoraGradients(model, tied, packed);
    }

    /// <summary>Qwen3: the norms of each head's query and key train too, and pass the gradient on.</summary>
    [Theory]
    [InlineData(false, false, RecomputePolicy.Never)]
    [InlineData(false, true, RecomputePolicy.Always)]
    [InlineData(true, true, RecomputePolicy.Never)]
    [InlineData(true, false, RecomputePolicy.Always)]
    public void Full_gradients_of_norms_of_heads(bool tied, bool packed, RecomputePolicy recompute)
    {
        using var model = new TinyModel(tied, headNorms: true);
        Assert.Equal(4, model.Weights.Keys.Count(static name => name.Contains("q_norm") || name.Contains("k_norm")));
        FullGradients(model, tied, packed, recompute);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void Lora_gradients_behind_norms_of_heads(bool tied, bool packed)
    {
        using var model = new TinyModel(tied, headNorms: true);
        LoraGradients(model, tied, packed);
    }

    private static void FullGradients(TinyModel model, bool tied, bool packed, RecomputePolicy recompute = RecomputePolicy.Auto)
    {
        using var scope = NewDisposeScope();
        var spec = Specs.Full(model.Folder);
        using var pipeline = new LocalPipeline(spec with { Training = spec.Training with { Recompute = recompute } });
        pipeline.Initialize();
        var (batch, samples) = Data(packed);
        foreach (var weight in model.Weights.Values)
            weight.requires_grad_();
        var reference =
            new ReferenceModel(model.Weights, module => model.Weights[$"{module}.weight"], tied).LossSum(samples) / batch.TargetTokens;
        reference.backward();

        var (loss, gradients) = pipeline.Gradients([batch]);
        Assert.Equal(reference.item<double>(), loss, 1e-5);
        Assert.Equal(reference.item<double>(), pipeline.Loss(batch), 1e-5);
        foreach (var (name, weight) in model.Weights) Compare.Close(name, pipeline.Gradient(gradients, name), weight.grad!, 1e-5);
        foreach (var gradient in gradients) gradient.Dispose();
    }

    [Theory, MemberData(nameof(Shapes))]
    public void Lora_gradients(bool tied, bool bias, bool packed)
    {
        using var model = new TinyModel(tied, bias);
        LoraGradients(model, tied, packed);
    }

    private static void LoraGradients(TinyModel model, bool tied, bool packed)
    {
        using var scope = NewDisposeScope();
        using var pipeline = new LocalPipeline(Specs.Lora(model.Folder, All, 3, 6));
        pipeline.Initialize();
        Disturb(pipeline);
        var adapter = Doubles(pipeline);
        var (batch, samples) = Data(packed);
        var reference =
            new ReferenceModel(
                model.Weights,
                module =>
                    model.Weights[$"{module}.weight"]
                    + adapter[$"base_model.model.{module}.lora_B.weight"].mm(adapter[$"base_model.model.{module}.lora_A.weight"]) * 2,
                tied
            ).LossSum(samples) / batch.TargetTokens;
        reference.backward();
        AssertGradients(pipeline, batch, reference, adapter);
    }

    [Theory]
    [InlineData(LambdaGranularity.Layer, 4, 2, true)]
    [InlineData(LambdaGranularity.Module, 4, 1, false)]
    [InlineData(LambdaGranularity.Layer, 2, 3, false)]
    public void Hybrid_gradients_and_norms(LambdaGranularity granularity, int block, int factors, bool packed)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Hybrid(model.Folder, ["q_proj", "v_proj", "gate_proj", "down_proj"], 3, 6, block, factors);
        spec = spec with
        {
            Method = spec.Method with
            {
                InitialAdapter = null,
                LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Random },
                Lambda = new LambdaSpec { Granularity = granularity, Initial = "0.3" },
            },
        };
        using var pipeline = new LocalPipeline(spec);
        pipeline.Initialize();
        Disturb(pipeline);
        foreach (var version in pipeline.Versions) for (var i = 0; i < version.Lambda.Length; i++) version.Lambda[i] = 0.3 + (0.1 * i);
        var adapter = Doubles(pipeline);
        var (batch, samples) = Data(packed);
        var modules = spec.Method.TargetModules.ToList();
        Tensor Effective(string module)
        {
            var w = model.Weights[$"{module}.weight"];
            var prefix = $"base_model.model.{module}";
            if (!adapter.ContainsKey($"{prefix}.lora_A.weight")) return w;
            var layer = int.Parse(module.Split('.')[2]) + 1;
            var order = LlamaShaped.Modules.Where(modules.Contains).ToList();
            var lambda = pipeline.Versions[layer].Lambda[
                granularity == LambdaGranularity.Module ? order.IndexOf(module.Split('.')[^1]) : 0
            ];
            var lowRank =
                adapter[$"{prefix}.lora_B.weight"].mm(adapter[$"{prefix}.lora_A.weight"])
                - adapter[$"{prefix}.lora_B0.weight"].mm(adapter[$"{prefix}.lora_A0.weight"]);
            var rotation = DenseButterfly.Of(adapter[$"{prefix}.boft_theta"], w.shape[0], block, 1.0);
            return w + lowRank * 2 * lambda + (rotation.mm(w) - w) * (1 - lambda);
        }

        var reference = new ReferenceModel(model.Weights, Effective, false).LossSum(samples) / batch.TargetTokens;
        reference.backward();
        AssertGradients(pipeline, batch, reference, adapter);

        // λ by hand: unmixed norms of the layer's (or module's) low-rank tensors and angles.
        var (_, gradients) = pipeline.Gradients([batch]);
        var measure = pipeline.Shards[1].Measure(pipeline.Versions[1], gradients[1]);
        var first = granularity == LambdaGranularity.Module ? "self_attn.q_proj" : "";
        double Norm(string part) =>
            Math.Sqrt(
                adapter
                    .Where(pair =>
                        pair.Key.Contains($"layers.0.{first}")
                        && pair.Key.Contains(part)
                        && pair.Value.grad is not null
                        && !pair.Key.Contains("0.weight")
                    )
                    .Sum(pair => Math.Pow(Compare.Norm(pair.Value.grad!), 2))
            );
        var (lora, rotated) = (Norm("lora_") / 0.3, Norm("boft_theta") / 0.7);
        Assert.Equal(lora / (lora + rotated), measure.NextLambda[0], 1e-5);
        foreach (var gradient in gradients) gradient.Dispose();
    }

    [Fact]
    public void Merged_weights_compute_what_the_adapter_computes()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        foreach (
            var spec in new[]
            {
                Specs.Lora(model.Folder, All, 3, 6),
                Specs.Hybrid(model.Folder, ["q_proj", "down_proj"], 3, 6, 4, 2) with
                {
                    Seed = 3,
                },
            }
        )
        {
            using var pipeline = new LocalPipeline(
                spec with
                {
                    Method = spec.Method with
                    {
                        InitialAdapter = null,
                        LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Random },
                    },
                }
            );
            pipeline.Initialize();
            Disturb(pipeline);
            using var folder = MethodRun.WriteModel(model, pipeline);
            using var again = new LocalPipeline(Specs.Lora(folder.Path, [], 3, 6));
            again.Initialize();
            var (batch, _) = Data(false);
            Compare.Within(again.Logits(batch), pipeline.Logits(batch), 1e-4);
        }
    }

    private static (Microbatch Batch, int[][] Samples) Data(bool packed)
    {
        var random = new Random(11);
        if (packed)
        {
            int[][] parts = [TinyModel.Ids(random, 7), TinyModel.Ids(random, 12), TinyModel.Ids(random, 4), TinyModel.Ids(random, 6)];
            return (Batches.Of([[.. parts[0], .. parts[1]], [.. parts[2], .. parts[3]]], lengths: [[7, 12], [4, 6]]), parts);
        }

        int[][] rows = [TinyModel.Ids(random, 13), TinyModel.Ids(random, 9)];
        return (Batches.Of(rows), rows);
    }

    /// <summary>Leaves the methods' start, where many gradients are zero.</summary>
    private static void Disturb(LocalPipeline pipeline)
    {
        var random = new Random(13);
        foreach (var version in pipeline.Versions)
        {
            foreach (var buffer in new[] { version.Parameters, version.Constants })
            {
                var values = new float[buffer.numel()];
                for (var i = 0; i < values.Length; i++) values[i] = (float)(0.1 * TinyModel.Normal(random));
                buffer.copy_(tensor(values));
            }

            version.Invalidate();
        }
    }

    private static Dictionary<string, Tensor> Doubles(LocalPipeline pipeline) => pipeline.Export()
        .ToDictionary(static pair => pair.Key, static pair => pair.Value.to(float64).requires_grad_());

    private static void AssertGradients(LocalPipeline pipeline, Microbatch batch, Tensor reference, Dictionary<string, Tensor> adapter)
    {
        var (loss, gradients) = pipeline.Gradients([batch]);
        Assert.Equal(reference.item<double>(), loss, 1e-5);
        foreach (
            var (name, value) in adapter.Where(static pair =>
                !pair.Key.Contains("0.weight") && !pair.Key.EndsWith("lambda", StringComparison.Ordinal)
            )
        )
            Compare.Close(name, pipeline.Gradient(gradients, name), value.grad!, 2e-5);
        foreach (var gradient in gradients) gradient.Dispose();
    }
}
