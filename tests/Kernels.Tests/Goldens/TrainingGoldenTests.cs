using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Goldens;

public class TrainingGoldenTests
{
    [Fact]
    public void Full_fine_tuning_of_a_tied_model()
    {
        var golden = new Golden("full");
        using var scope = NewDisposeScope();
        var spec = Specs.Full(Path.Combine(golden.Folder, "base"));
        spec = spec with
        {
            Training = spec.Training with { MaxGradNorm = 1.0, Optimizer = spec.Training.Optimizer with { WeightDecay = 0.1 } },
        };
        using var pipeline = new LocalPipeline(spec);
        pipeline.Initialize();
        var initial = pipeline.Export();
        Train(pipeline, golden, [.. Enumerable.Repeat(2e-3, 5)], 1e-5);
        var final = pipeline.Export();
        foreach (var (name, value) in final) Moved(name, value, golden[$"final.{name}"], initial[name], 1e-3);
        // One embedding entry whose gradient almost vanishes is amplified by Adam; the mean difference is 2e-6.
        Compare.Within(pipeline.Logits(Batches.Of(golden["input_ids"].select(0, 0), null)), golden["logits_final"], 1e-4);
        Free(initial, final);
    }

    /// <param name="name">The reference.</param>
    /// <param name="alpha">α.</param>
    /// <param name="rslora">Whether it is rank-stabilised.</param>
    /// <param name="amplified">Whether Adam amplifies gradients that are almost zero: the references' page allows more.</param>
    [Theory]
    [InlineData("peft-lora-all", 8, false, true)]
    [InlineData("peft-lora-qv-clip", 16, false, false)]
    [InlineData("peft-rslora", 8, true, false)]
    [InlineData("peft-lora-bloom", 8, false, true)]
    [InlineData("peft-lora-qwen3", 8, false, false)]
    public void Lora_as_PEFT_trains_it(string name, double alpha, bool rslora, bool amplified)
    {
        var golden = new Golden(name);
        using var scope = NewDisposeScope();
        var training = golden.Training;
        double? clip = training.GetProperty("clip") is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;
        string[] targets = name.Contains("qv") ? ["q_proj", "v_proj"] : ["all-linear"];
        var spec = Specs.Lora(Path.Combine(golden.Folder, "base"), targets, 4, alpha, rslora);
        spec = spec with
        {
            Training = spec.Training with
            {
                MaxGradNorm = clip,
                Optimizer = spec.Training.Optimizer with { WeightDecay = training.GetProperty("weight_decay").GetDouble() },
            },
        };
        using var pipeline = new LocalPipeline(spec);
        var adapter = AdapterTensors.Read(Path.Combine(golden.Folder, "initial"));
        pipeline.Initialize(adapter);
        var initial = pipeline.Export();
        Assert.Equal(adapter.Names.Order(), initial.Keys.Order());

        var all = Batches.Of(golden["input_ids"].select(0, 0), golden["labels"].select(0, 0));
        Compare.Within(pipeline.Logits(all), golden["logits_initial"], 2e-5);
        var (_, gradients) = pipeline.Gradients([all]);
        foreach (var key in golden.Names.Where(static key => key.StartsWith("grad.", StringComparison.Ordinal)))
            Compare.Close(key, pipeline.Gradient(gradients, key["grad.".Length..]), golden[key], 2e-5);
        foreach (var gradient in gradients) gradient.Dispose();

        Train(pipeline, golden, Golden.Numbers(training.GetProperty("learning_rates")), amplified ? 1e-4 : 1e-5);
        var final = pipeline.Export();
        var reference = AdapterTensors.Read(Path.Combine(golden.Folder, "final"));
        foreach (var (tensor, value) in final) Moved(tensor, value, reference.Get(tensor), initial[tensor], amplified ? 5e-3 : 1e-3);
        Compare.Within(pipeline.Logits(all), golden["logits_final"], amplified ? 1e-3 : 5e-5);
        Free(initial, final);
    }

    [Theory]
    [InlineData("hybrid-unmixed", LambdaNorms.Unmixed)]
    [InlineData("hybrid-raw", LambdaNorms.Raw)]
    public void Hybrid_by_algorithm_2(string name, LambdaNorms norms)
    {
        var golden = new Golden(name);
        using var scope = NewDisposeScope();
        var training = golden.Training;
        using var pipeline = new LocalPipeline(
            Specs.Hybrid(Path.Combine(golden.Folder, "base"), ["q_proj", "v_proj", "down_proj"], 4, 8, 4, 3, norms)
        );
        using var folder = new TemporaryFolder();
        HybridAdapter.Write(folder.Path, golden, 3);
        var adapter = AdapterTensors.Read(folder.Path);
        pipeline.Initialize(adapter);
        var initial = pipeline.Export();

        var (_, gradients) = pipeline.Gradients(Batches.EachRow(golden["input_ids"].select(0, 0), golden["labels"].select(0, 0)));
        foreach (var key in golden.Names.Where(static key => key.Contains(".grad.")))
        {
            var slot =
                $"base_model.model.{key.Replace(".grad.", ".")}" + (key.EndsWith("theta", StringComparison.Ordinal) ? "" : ".weight");
            Compare.Close(key, pipeline.Gradient(gradients, slot), golden[key], 2e-5);
        }

        foreach (var gradient in gradients) gradient.Dispose();

        var losses = Golden.Numbers(training.GetProperty("losses"));
        var lambdas = training.GetProperty("lambda_by_step_and_layer").EnumerateArray().Select(Golden.Numbers).ToArray();
        for (var step = 1; step <= losses.Length; step++)
        {
            var batches = Batches.EachRow(golden["input_ids"].select(0, step - 1), golden["labels"].select(0, step - 1));
            var (loss, _, lambda) = pipeline.Step(step, batches, 2e-3, 5e-3);
            Assert.Equal(losses[step - 1], loss, step == 1 ? 5e-6 : 1e-5);
            for (var layer = 0; layer < 3; layer++) Assert.Equal(lambdas[step - 1][layer], lambda[layer], 1e-5);
        }

        for (var layer = 0; layer < 3; layer++) Assert.Equal(lambdas[^1][layer], pipeline.Versions[layer + 1].Lambda[0], 1e-5);
        var final = pipeline.Export();
        foreach (var key in golden.Names.Where(static key => key.Contains(".final.")))
        {
            var slot =
                $"base_model.model.{key.Replace(".final.", ".")}" + (key.EndsWith("theta", StringComparison.Ordinal) ? "" : ".weight");
            Moved(key, final[slot], golden[key], initial[slot], 1e-3);
        }

        Compare.Within(pipeline.Logits(Batches.Of(golden["input_ids"].select(0, 0), null)), golden["logits_final"], 5e-5);
        Free(initial, final);
    }

    internal static void Train(LocalPipeline pipeline, Golden golden, double[] rates, double normLimit)
    {
        var losses = Golden.Numbers(golden.Training.GetProperty("losses"));
        var norms = Golden.Numbers(golden.Training.GetProperty("gradient_norms"));
        for (var step = 1; step <= losses.Length; step++)
        {
            var batches = Batches.EachRow(golden["input_ids"].select(0, step - 1), golden["labels"].select(0, step - 1));
            var (loss, norm, _) = pipeline.Step(step, batches, rates[step - 1]);
            Assert.Equal(losses[step - 1], loss, step == 1 ? 5e-6 : 1e-5);
            Assert.Equal(norms[step - 1], norm, normLimit * norms[step - 1]);
        }
    }

    internal static void Moved(string name, Tensor actual, Tensor expected, Tensor initial, double limit)
    {
        var (error, way) = (Compare.Distance(actual, expected), Compare.Distance(expected, initial));
        Assert.True(error <= limit * way, $"{name}: {error:E2} off after a way of {way:E2}");
    }

    internal static void Free(params Dictionary<string, Tensor>[] exports)
    {
        foreach (var tensor in exports.SelectMany(static export => export.Values)) tensor.Dispose();
    }
}
