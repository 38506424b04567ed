using System.Text.Json.Nodes;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Adapters;

/// <summary>
/// Modules with their own rank and α. Rows of zeros in A and columns of zeros in B change neither the product nor, since their gradients
/// are zero, the way it trains: PEFT's references hold for adapters that are wider in some modules, at the same scale.
/// </summary>
public class ModulePatternTests
{
    private const string Name = "lora_A.weight";

    // s = α/r is 8/4, with rsLoRA 8/√4.
    [Theory]
    [InlineData("peft-lora-all", 8, 6, 12)]
    [InlineData("peft-rslora", 8, 16, 16)]
    [InlineData("peft-dora", 8, 6, 12)]
    public void Wider_modules_at_the_same_scale_train_as_PEFT_trains(string golden, double alpha, int wide, double wideAlpha)
    {
        var reference = new Golden(golden);
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(reference.Folder, "initial", "adapter_config.json")))!.AsObject();
        config["rank_pattern"] = new JsonObject { [@"layers\.0\..*"] = wide, ["down_proj"] = wide };
        config["alpha_pattern"] = new JsonObject { [@"layers\.0\..*"] = wideAlpha, ["mlp.down_proj"] = wideAlpha };
        Write(folder.Path, Path.Combine(reference.Folder, "initial"), config, wide);

        var run = Specs.Lora(Path.Combine(reference.Folder, "base"), [.. LlamaShaped.Modules], 4, alpha, golden == "peft-rslora");
        run = run with { Method = run.Method with { Lora = run.Method.Lora with { Dora = golden == "peft-dora" } } };
        var model = ModelFolder.Open(run.Model.Path);
        var initial = AdapterFolder.Read(folder.Path);
        initial.CheckStart(run.Method, model, static key => key);
        run = run with { Method = initial.Adopt(run.Method, model) };
        using var pipeline = new LocalPipeline(run);
        var adapter = AdapterTensors.Read(folder.Path);
        pipeline.Initialize(adapter);
        Assert.Equal([wide, 64], pipeline.Export()[Of(0, "self_attn.q_proj")].shape);
        Assert.Equal(model.Dimensions.Trainable(run.Method), pipeline.Shards.Sum(static shard => shard.Layout.Size));
        var all = Batches.Of(reference["input_ids"].select(0, 0), reference["labels"].select(0, 0));
        Compare.Within(pipeline.Logits(all), reference["logits_initial"], 2e-5);

        TrainingGoldenTests.Train(pipeline, reference, Golden.Numbers(reference.Training.GetProperty("learning_rates")), 1e-4);
        Compare.Within(pipeline.Logits(all), reference["logits_final"], 1e-3);

        // What is written says so in PEFT's words.
        var written = JsonNode.Parse(AdapterConfigWriter.Write(run.Method, model))!;
        foreach (var key in (string[])["rank_pattern", "alpha_pattern", "r", "lora_alpha"])
            Assert.True(JsonNode.DeepEquals(config[key], written[key]), $"{key}: {written[key]}");
    }

    [Fact]
    public void A_layer_without_an_adapter_computes_what_one_whose_B_is_zero_computes()
    {
        var reference = new Golden("peft-lora-all");
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var final = Path.Combine(reference.Folder, "final");
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(final, "adapter_config.json")))!.AsObject();
        config["layers_to_transform"] = new JsonArray(0, 2);
        var whole = AdapterTensors.Read(final);
        TensorFile.Write(
            Path.Combine(folder.Path, AdapterFolder.WeightsName),
            whole.Names.Where(static name => !name.Contains(".layers.1.")).Select(name => (name, whole.Get(name))));
        File.WriteAllText(Path.Combine(folder.Path, AdapterFolder.ConfigName), config.ToJsonString());

        var run = Specs.Lora(Path.Combine(reference.Folder, "base"), [.. LlamaShaped.Modules], 4, 8);
        var model = ModelFolder.Open(run.Model.Path);
        run = run with { Method = AdapterFolder.Read(folder.Path).Adopt(run.Method, model) };
        Assert.DoesNotContain(run.Method.TargetModules, static name => name.Contains("layers.1."));
        using var some = new LocalPipeline(run);
        var adapter = AdapterTensors.Read(folder.Path);
        some.Initialize(adapter);
        Assert.Equal(0, some.Shards[2].Layout.Size);
        using var all = new LocalPipeline(run with { Method = run.Method with { TargetModules = [.. LlamaShaped.Modules] } });
        all.Initialize(whole);
        foreach (var slot in all.Shards[2].Layout.Trainable.Where(static slot => slot.Name.Contains("lora_B")))
            slot.View(all.Versions[2].Parameters).zero_();
        all.Versions[2].Invalidate();
        var batch = Batches.Of(reference["input_ids"].select(0, 0), reference["labels"].select(0, 0));
        Compare.Within(some.Logits(batch), all.Logits(batch), 1e-6);

        // The gradient passes through the layer that has none.
        var (_, gradients) = some.Gradients([batch]);
        var (_, expected) = all.Gradients([batch]);
        var first = Of(0, "self_attn.q_proj");
        Compare.Close(first, some.Gradient(gradients, first), all.Gradient(expected, first), 2e-5);
        foreach (var gradient in gradients.Concat(expected)) gradient.Dispose();
        var written = JsonNode.Parse(AdapterConfigWriter.Write(run.Method, model))!["target_modules"]!.AsArray();
        Assert.Contains("model.layers.0.self_attn.q_proj", written.Select(static name => (string)name!));
    }

    private static string Of(int layer, string module) => $"base_model.model.model.layers.{layer}.{module}.{Name}";

    /// <summary>The adapter with zeros up to another rank in layer 0 and every down_proj, and with the adapter's name in names.</summary>
    private static void Write(string folder, string source, JsonObject config, int rank)
    {
        var adapter = AdapterTensors.Read(source);
        var tensors = new List<(string, Tensor)>();
        foreach (var name in adapter.Names)
        {
            var value = adapter.Get(name);
            var wide = name.Contains(".layers.0.") || name.Contains("down_proj");
            if (wide && name.Contains("lora_A")) value = cat([value, zeros(rank - value.shape[0], value.shape[1])], 0);
            if (wide && name.Contains("lora_B")) value = cat([value, zeros(value.shape[0], rank - value.shape[1])], 1);
            var factor = name.EndsWith(".weight", StringComparison.Ordinal);
            tensors.Add((factor ? name.Replace(".weight", ".default.weight") : name + ".weight", value));
        }

        TensorFile.Write(Path.Combine(folder, AdapterFolder.WeightsName), tensors);
        File.WriteAllText(Path.Combine(folder, AdapterFolder.ConfigName), config.ToJsonString());
    }
}
