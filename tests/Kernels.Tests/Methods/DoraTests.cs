using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

public class DoraTests
{
    private const string Vector = ".lora_magnitude_vector";

    private static MethodSpec Method(int rank, double alpha) =>
        new() { Name = MethodName.Lora, Lora = new LoraSpec { Rank = rank, Alpha = alpha, Dora = true } };

    [Fact]
    public void Trains_as_PEFT_trains_it()
    {
        var golden = new Golden("peft-dora");
        using var scope = NewDisposeScope();
        using var pipeline = new LocalPipeline(
            Specs.Of(Path.Combine(golden.Folder, "base"), Method(4, 8) with { InitialAdapter = "given" })
        );
        var adapter = AdapterTensors.Read(Path.Combine(golden.Folder, "initial"));
        pipeline.Initialize(adapter);
        var initial = pipeline.Export();
        Assert.Equal(adapter.Names.Order(), initial.Keys.Order());
        foreach (var (name, value) in initial) Assert.True(value.eq(adapter.Get(name)).all().item<bool>(), name);

        var all = Batches.Of(golden["input_ids"].select(0, 0), golden["labels"].select(0, 0));
        Compare.Within(pipeline.Logits(all), golden["logits_initial"], 2e-5);
        var (_, gradients) = pipeline.Gradients([all]);
        foreach (var key in golden.Names.Where(static key => key.StartsWith("grad.", StringComparison.Ordinal)))
            Compare.Close(
                key,
                pipeline.Gradient(gradients, key["grad.".Length..].Replace($"{Vector}.weight", Vector, StringComparison.Ordinal)),
                golden[key],
                2e-5
            );
        foreach (var gradient in gradients)
            gradient.Dispose();

        TrainingGoldenTests.Train(pipeline, golden, Golden.Numbers(golden.Training.GetProperty("learning_rates")), 1e-5);
        var final = pipeline.Export();
        var reference = AdapterTensors.Read(Path.Combine(golden.Folder, "final"));
        foreach (var (tensor, value) in final) TrainingGoldenTests.Moved(tensor, value, reference.Get(tensor), initial[tensor], 1e-3);
        Compare.Within(pipeline.Logits(all), golden["logits_final"], 5e-5);
        TrainingGoldenTests.Free(initial, final);
    }

    [Fact]
    public void Starts_as_the_base_bit_by_bit_with_its_row_norms()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var pipeline = new LocalPipeline(Specs.Of(model.Folder, Method(3, 6)));
        using var plain = new LocalPipeline(Specs.Lora(model.Folder, [], 1, 1));
        pipeline.Initialize();
        plain.Initialize();
        var batch = Batches.Of([TinyModel.Ids(new Random(2), 14)]);
        Assert.True(pipeline.Logits(batch).eq(plain.Logits(batch)).all().item<bool>());
        foreach (var (name, value) in pipeline.Export().Where(static pair => pair.Key.EndsWith(Vector, StringComparison.Ordinal)))
        {
            var module = name["base_model.model.".Length..^Vector.Length];
            Compare.Close(name, value, model.Weights[$"{module}.weight"].square().sum(1).sqrt(), 1e-6);
        }
    }

    [Fact]
    public void Merged_weights_have_the_trained_row_norms_and_the_same_function()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var pipeline = new LocalPipeline(Specs.Of(model.Folder, Method(3, 6)));
        pipeline.Initialize();
        var batch = Batches.Of([TinyModel.Ids(new Random(2), 14)]);
        for (var step = 1; step <= 5; step++) pipeline.Step(step, [batch], 0.02);
        var magnitudes = pipeline.Export();
        var merged = MethodRun.Merged(pipeline);
        foreach (
            var (name, value) in merged.Where(pair =>
                magnitudes.ContainsKey($"base_model.model.{pair.Name[..^".weight".Length]}{Vector}")
            )
        )
            Compare.Close(
                name,
                value.square().sum(1).sqrt(),
                magnitudes[$"base_model.model.{name[..^".weight".Length]}{Vector}"].abs(),
                1e-5
            );
        using var folder = MethodRun.WriteModel(model, pipeline);
        using var again = new LocalPipeline(Specs.Lora(folder.Path, [], 1, 1));
        again.Initialize();
        var expected = pipeline.Logits(batch);
        Compare.Close("logits", again.Logits(batch), expected, 1e-5);
        foreach (var (_, value) in merged) value.Dispose();
    }

    [Fact]
    public void A_bound_on_a_part_of_the_change_is_refused()
    {
        using var model = new TinyModel();
        var method = Method(3, 6);
        method = method with { Lora = method.Lora with { MaxDeltaRatio = 0.1 } };
        Assert.Contains(
            "method.lora.max_delta_ratio",
            Assert.Throws<PeftException>(() => new LocalPipeline(Specs.Of(model.Folder, method))).Message
        );
    }
}
