using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Kernels.Weights;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

public class LoraGaTrainingTests
{
    [Fact]
    public void Trains_as_the_reference_from_its_stable_factors()
    {
        var golden = new Golden("loraga", "training.safetensors");
        var start = new Golden("loraga", "initialisation.safetensors");
        using var scope = NewDisposeScope();
        var training = golden.Training;
        var method = new MethodSpec
        {
            Name = MethodName.LoraGa,
            TargetModules = ["q_proj", "v_proj", "down_proj"],
            Lora = new LoraSpec { Rank = training.GetProperty("rank").GetInt32(), Alpha = training.GetProperty("alpha").GetDouble() },
            InitialAdapter = "given",
        };
        using var folder = new TemporaryFolder();
        TensorFile.Write(Path.Combine(folder.Path, AdapterFolder.WeightsName), start.Names
            .Where(static key => key.Contains(".stable.", StringComparison.Ordinal))
            .Select(key => ($"base_model.model.{key.Replace(".stable.", ".", StringComparison.Ordinal)}.weight", start[key])));
        File.WriteAllText(Path.Combine(folder.Path, AdapterFolder.ConfigName), """{"peft_type": "LORA_GA"}""");
        var adapter = AdapterTensors.Read(folder.Path);
        using var pipeline = new LocalPipeline(Specs.Of(Path.Combine(golden.Folder, "base"), method));
        pipeline.Initialize(adapter);
        var initial = pipeline.Export();

        TrainingGoldenTests.Train(pipeline, golden, [.. Enumerable.Repeat(training.GetProperty("learning_rate").GetDouble(), 6)], 1e-5);
        var final = pipeline.Export();
        foreach (var key in golden.Names.Where(static key => key.Contains(".lora_", StringComparison.Ordinal)))
        {
            var name = $"base_model.model.{key}.weight";
            TrainingGoldenTests.Moved(key, final[name], golden[key], initial[name], 1e-3);
            Assert.True(final[name.Replace(".weight", "0.weight", StringComparison.Ordinal)].eq(initial[name]).all().item<bool>());
        }

        Compare.Within(pipeline.Logits(Batches.Of(golden["input_ids"].select(0, 0), null)), golden["logits_final"], 5e-5);
        TrainingGoldenTests.Free(initial, final);
    }

    [Theory]
    [InlineData(LoraGaInitialization.Stable)]
    [InlineData(LoraGaInitialization.Paper)]
    [InlineData(LoraGaInitialization.Random)]
    public void Every_initialisation_starts_as_the_base_bit_by_bit(LoraGaInitialization initialization)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        var method = new MethodSpec
        {
            Name = MethodName.LoraGa,
            Lora = new LoraSpec { Rank = 4, Alpha = 8 },
            LoraGa = new LoraGaSpec { Initialization = initialization },
        };
        foreach (var dtype in new[] { WeightType.Float32, WeightType.BFloat16 })
        {
            using var pipeline = new LocalPipeline(Specs.Of(model.Folder, method, dtype));
            using var plain = new LocalPipeline(
                Specs.Of(model.Folder, new MethodSpec { Name = MethodName.Lora, TargetModules = [] }, dtype)
            );
            plain.Initialize();
            var batch = Batches.Of([TinyModel.Ids(new Random(2), 14)]);
            pipeline.Initialize(samples: [batch]);
            Assert.True(pipeline.Logits(batch).eq(plain.Logits(batch)).all().item<bool>());
            // The start is the one asked for: only random leaves B at zero.
            Assert.Equal(
                initialization == LoraGaInitialization.Random,
                pipeline
                    .Export()
                    .Where(static pair => pair.Key.EndsWith("lora_B.weight", StringComparison.Ordinal))
                    .All(static pair => Compare.Norm(pair.Value) == 0)
            );
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Exports_as_plain_LoRA_of_twice_the_rank(bool rslora)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        var method = new MethodSpec
        {
            Name = MethodName.LoraGa,
            TargetModules = ["v_proj", "down_proj"],
            Lora = new LoraSpec
            {
                Rank = 4,
                Alpha = 8,
                Rslora = rslora,
            },
        };
        var spec = Specs.Of(model.Folder, method);
        using var pipeline = new LocalPipeline(spec);
        var batch = Batches.Of([TinyModel.Ids(new Random(2), 14)]);
        pipeline.Initialize(samples: [batch]);
        for (var step = 1; step <= 4; step++) pipeline.Step(step, [batch], 0.01);
        using var own = MethodRun.WriteAdapter(spec, pipeline.Export());
        var trained = AdapterTensors.Read(own.Path);
        var lora = spec with { Method = LoraGaExport.Method(method) };
        var tensors = LoraGaExport.Tensors(trained).ToDictionary(static tensor => tensor.Name, static tensor => tensor.Value);
        using var plain = MethodRun.WriteAdapter(lora, tensors);
        lora = MethodRun.Continued(lora, plain.Path);
        var adapter = AdapterTensors.Read(plain.Path);
        Assert.Equal(8, adapter.ShapeOf("base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight")![0]);
        using var again = new LocalPipeline(lora);
        again.Initialize(adapter);
        var expected = pipeline.Logits(batch);
        Compare.Close("logits", again.Logits(batch), expected, 1e-5);
        Assert.Contains("LORA", Assert.Throws<PeftException>(() => LoraGaExport.Tensors(adapter).ToArray()).Message);
    }
}
