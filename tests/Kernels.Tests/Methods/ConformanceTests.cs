using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>What every fine-tuning method must do, over the table of methods.</summary>
public class ConformanceTests
{
    public static TheoryData<string> Names => [.. MethodCase.All.Select(static item => item.Name)];

    [Fact]
    public void Every_registered_method_is_in_the_table() =>
        Assert.Empty(AdapterMethod.Names.Except(MethodCase.All.Select(static item => item.Method.Name)));

    [Theory, MemberData(nameof(Names))]
    public void The_model_starts_as_its_base(string name)
    {
        var item = Case(name);
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var plain = new LocalPipeline(Specs.Lora(model.Folder, [], 1, 1));
        using var adapted = Start(Specs.Of(model.Folder, item.Method));
        var expected = plain.Logits(Sample(1));
        var difference = Compare.LargestDifference(adapted.Logits(Sample(1)), expected) / expected.abs().max().item<float>();
        if (item.StartsAsBase) Assert.True(difference <= 1e-6, $"logits are {difference:E2} off, relative to the largest");
        else Assert.True(difference > 1e-2, "the weights were to be replaced");
    }

    [Theory, MemberData(nameof(Names))]
    public void Gradients_are_finite_differences_of_the_float64_loss_of_merged_weights(string name)
    {
        var item = Case(name);
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = Start(Specs.Of(model.Folder, item.Method));
        Disturb(pipeline);
        var batch = Sample(3);
        var (_, gradients) = pipeline.Gradients([batch]);
        double Loss()
        {
            using var inner = NewDisposeScope();
            var weights = new Dictionary<string, Tensor>();
            foreach (var (weight, value) in Merged(pipeline))
            {
                weights[weight] = value.to(float64);
                value.Dispose();
            }

            return new ReferenceModel(weights, module => weights[$"{module}.weight"], false).LossSum([batch.InputIds]).item<double>() / batch.TargetTokens;
        }

        for (var layer = 0; layer < pipeline.Shards.Count; layer++)
        {
            var version = pipeline.Versions[layer];
            foreach (var slot in pipeline.Shards[layer].Layout.Trainable.Where(slot => !item.Detached.Any(slot.Name.Contains)))
            {
                using var inner = NewDisposeScope();
                var gradient = gradients[layer].narrow(0, slot.Offset, slot.Count);
                var norm = gradient.norm().item<float>();
                Assert.True(norm > 1e-6, $"{slot.Name}: no gradient");
                var parameters = version.Parameters.narrow(0, slot.Offset, slot.Count);
                var (before, direction) = (parameters.clone(), gradient / norm);
                double At(double distance)
                {
                    parameters.copy_(before.to(float64).add(direction.to(float64).mul(distance)));
                    version.Invalidate();
                    return Loss();
                }

                // The derivative along the gradient is the gradient's norm; four points, error O(h⁴).
                const double H = 0.01;
                var slope = ((8 * (At(H) - At(-H))) - (At(2 * H) - At(-2 * H))) / (12 * H);
                At(0);
                Assert.True(Math.Abs(slope - norm) <= Math.Max(2e-3 * norm, 2e-6), $"{slot.Name}: norm {norm:E4}, slope {slope:E4}");
            }
        }

        foreach (var gradient in gradients) gradient.Dispose();
    }

    [Theory, MemberData(nameof(Names))]
    public void Merged_weights_compute_what_the_adapter_computes(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var pipeline = Start(Specs.Of(model.Folder, Case(name).Method));
        Train(pipeline, 3);
        using var folder = WriteModel(model, pipeline);
        using var merged = new LocalPipeline(Specs.Lora(folder.Path, [], 1, 1));
        var expected = pipeline.Logits(Sample(1));
        Compare.Within(merged.Logits(Sample(1)), expected, 5e-6 * expected.abs().max().item<float>());
    }

    [Theory, MemberData(nameof(Names))]
    public void What_is_saved_loads_and_is_saved_with_the_same_bytes(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, Case(name).Method);
        using var first = Start(spec);
        Train(first, 3);
        if (spec.Method.Name == MethodName.Full)
        {
            using var folder = WriteModel(model, first);
            using var second = Start(spec with { Model = spec.Model with { Path = folder.Path } });
            using var again = WriteModel(model, second);
            Assert.Equal(File.ReadAllBytes(Path.Combine(folder.Path, "model.safetensors")), File.ReadAllBytes(Path.Combine(again.Path, "model.safetensors")));
        }
        else
        {
            using var folder = WriteAdapter(spec, first.Export());
            using var adapter = AdapterTensors.Read(folder.Path);
            using var second = new LocalPipeline(Continued(spec, folder.Path));
            second.Initialize(adapter);
            Assert.Equal(first.Loss(Sample(1)), second.Loss(Sample(1)), 1e-6);
            using var again = WriteAdapter(spec, second.Export());
            foreach (var file in new[] { AdapterTensors.WeightsFile, AdapterTensors.ConfigFile })
                Assert.Equal(File.ReadAllBytes(Path.Combine(folder.Path, file)), File.ReadAllBytes(Path.Combine(again.Path, file)));
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void The_configuration_reads_back_as_the_method(string name)
    {
        var spec = Specs.Of("base", Case(name).Method);
        if (spec.Method.Name is MethodName.Full)
        {
            Assert.Contains("full", Assert.Throws<PeftException>(() => AdapterConfigWriter.Write(spec)).Message);
            return;
        }

        using var config = System.Text.Json.JsonDocument.Parse(AdapterConfigWriter.Write(spec));
        Assert.Equal(AdapterMethod.Of(spec.Method).PeftType, config.RootElement.GetProperty("peft_type").GetString());
        Assert.Equal(TargetModules.Resolve(spec.Method), config.RootElement.GetProperty("target_modules").EnumerateArray().Select(static module => module.GetString()!));
        if (!config.RootElement.TryGetProperty("method", out var method)) return; // PEFT's own keys
        var read = RunFile.ParseMethod(method.GetRawText(), "adapter_config.json");
        Assert.Equal(RunFile.WriteMethod(spec).ToJsonString(), RunFile.WriteMethod(spec with { Method = read }).ToJsonString());
    }

    [Theory, MemberData(nameof(Names))]
    public void The_number_of_parameters_is_the_memory_models(string name)
    {
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, Case(name).Method);
        using var pipeline = new LocalPipeline(spec);
        var predicted = MemoryModel.Layers(LlamaDimensions.Of(pipeline.Config), spec, columns: 16, inFlight: 1);
        Assert.Equal(predicted.Length, pipeline.Shards.Count);
        // Two versions of four bytes a parameter.
        Assert.Equal(predicted.Select(static layer => layer.Trainable / 8), pipeline.Shards.Select(static shard => shard.Layout.Trainable.Sum(static slot => slot.Count)));
    }

    [Theory, MemberData(nameof(Names))]
    public void Gradients_have_the_same_bits_whatever_the_order_and_with_recomputation(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, Case(name).Method);
        using var pipeline = Start(spec);
        using var recomputing = Start(spec with { Training = spec.Training with { Recompute = RecomputePolicy.Always } });
        Disturb(pipeline);
        Disturb(recomputing);
        Microbatch[] batches = [Sample(1), Sample(2), Sample(3)];
        var (_, expected) = pipeline.Gradients(batches);
        foreach (var (_, actual) in new[] { pipeline.Gradients(batches, order: [2, 0, 1]), recomputing.Gradients(batches) })
        {
            for (var layer = 0; layer < expected.Length; layer++) Assert.True(expected[layer].eq(actual[layer]).all().item<bool>(), $"layer {layer}");
            foreach (var gradient in actual) gradient.Dispose();
        }

        foreach (var gradient in expected) gradient.Dispose();
    }

    [Theory, MemberData(nameof(Names))]
    public void Both_optimizers_lower_the_loss(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        foreach (var (optimizer, rate) in new[] { (OptimizerName.AdamW, 3e-3), (OptimizerName.Sgd, 0.03) })
        {
            var spec = Specs.Of(model.Folder, Case(name).Method);
            using var pipeline = Start(spec with { Training = spec.Training with { Optimizer = spec.Training.Optimizer with { Name = optimizer } } });
            var before = pipeline.Loss(Sample(1));
            for (var step = 1; step <= 10; step++) pipeline.Step(step, [Sample(1)], rate);
            Assert.True(pipeline.Loss(Sample(1)) < before - 1e-3, $"{optimizer}: {before} became {pipeline.Loss(Sample(1))}");
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void Half_types_follow_float32(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var method = Case(name).Method;
        using var exact = Start(Specs.Of(model.Folder, method));
        Disturb(exact);
        var (loss, expected) = exact.Gradients([Sample(1)]);
        foreach (var products in new[] { ProductType.Native, ProductType.Float32 })
        {
            using var half = Start(Specs.Of(model.Folder, method, WeightType.BFloat16, products));
            for (var layer = 0; layer < expected.Length; layer++)
            {
                half.Versions[layer].Parameters.copy_(exact.Versions[layer].Parameters);
                half.Versions[layer].Constants.copy_(exact.Versions[layer].Constants);
                exact.Versions[layer].Lambda.CopyTo(half.Versions[layer].Lambda, 0);
                half.Versions[layer].Invalidate();
            }

            var (halfLoss, actual) = half.Gradients([Sample(1)]);
            Assert.Equal(loss, halfLoss, 0.02 * loss);
            for (var layer = 0; layer < expected.Length; layer++)
            {
                var distance = Compare.Distance(actual[layer], expected[layer]);
                Assert.True(distance <= 0.05 * Compare.Norm(expected[layer]), $"layer {layer}, products {products}: {distance / Compare.Norm(expected[layer]):P1} off");
                actual[layer].Dispose();
            }
        }

        foreach (var gradient in expected) gradient.Dispose();
    }

    [Theory, MemberData(nameof(Names))]
    public void Wrong_options_are_refused_by_name(string name)
    {
        using var model = new TinyModel();
        foreach (var (method, part) in Case(name).Refused)
            Assert.Contains(part, Assert.Throws<PeftException>(() => new LocalPipeline(Specs.Of(model.Folder, method))).Message);
    }

    [Theory, MemberData(nameof(Names))]
    public void Adapters_that_do_not_fit_are_refused_by_name(string name)
    {
        var spec = Specs.Of("", Case(name).Method);
        if (spec.Method.Name == MethodName.Full) return; // no adapter: its refusal is in the table
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        spec = spec with { Model = spec.Model with { Path = model.Folder } };
        using var pipeline = Start(spec);
        var tensors = pipeline.Export();
        var first = tensors.Keys.First(static key => key.Contains("layers.0.", StringComparison.Ordinal));
        void Refused(Dictionary<string, Tensor> changed, string part, string? config = null)
        {
            using var folder = WriteAdapter(spec, changed, config);
            using var adapter = AdapterTensors.Read(folder.Path);
            using var second = new LocalPipeline(Continued(spec, folder.Path));
            Assert.Contains(part, Assert.Throws<PeftException>(() => second.Initialize(adapter)).Message);
        }

        Refused(tensors, "peft_type OTHER", """{"peft_type": "OTHER"}""");
        Refused(new(tensors) { ["base_model.model.model.layers.0.other.weight"] = ones(2) }, "layers.0.other.weight");
        Refused(new(tensors) { [first] = ones(3, 1, 1, 2) }, first);
    }

    private static MethodCase Case(string name) => MethodCase.All.Single(item => item.Name == name);

    private static RunSpec Continued(RunSpec spec, string folder) => spec with { Method = spec.Method with { InitialAdapter = folder } };

    private static Microbatch Sample(int seed) => Batches.Of([TinyModel.Ids(new Random(seed), 14)]);

    private static LocalPipeline Start(RunSpec spec)
    {
        var pipeline = new LocalPipeline(spec);
        pipeline.Initialize(samples: [Sample(21), Sample(22)]);
        return pipeline;
    }

    private static void Train(LocalPipeline pipeline, int steps)
    {
        for (var step = 1; step <= steps; step++) pipeline.Step(step, [Sample(1), Sample(2)], 0.01);
    }

    /// <summary>Leaves the methods' start, where many gradients are zero.</summary>
    private static void Disturb(LocalPipeline pipeline)
    {
        var random = new Random(13);
        foreach (var (shard, version) in pipeline.Shards.Zip(pipeline.Versions))
        {
            foreach (var slot in shard.Layout.Trainable)
            {
                using var scope = NewDisposeScope();
                var values = new float[slot.Count];
                for (var i = 0; i < values.Length; i++) values[i] = (float)(0.05 * TinyModel.Normal(random));
                version.Parameters.narrow(0, slot.Offset, slot.Count).add_(tensor(values));
            }

            version.Invalidate();
        }
    }

    private static IReadOnlyList<(string Name, Tensor Value)> Merged(LocalPipeline pipeline) =>
        [.. pipeline.Shards.SelectMany((shard, i) => shard.ExportMerged(pipeline.Versions[i], ScalarType.Float32))];

    private static TemporaryFolder WriteModel(TinyModel model, LocalPipeline pipeline)
    {
        var folder = new TemporaryFolder();
        File.Copy(Path.Combine(model.Folder, "config.json"), Path.Combine(folder.Path, "config.json"));
        var tensors = Merged(pipeline);
        TensorWriting.Write(Path.Combine(folder.Path, "model.safetensors"), tensors);
        foreach (var (_, value) in tensors) value.Dispose();
        return folder;
    }

    private static TemporaryFolder WriteAdapter(RunSpec spec, Dictionary<string, Tensor> tensors, string? config = null)
    {
        var folder = new TemporaryFolder();
        TensorWriting.Write(Path.Combine(folder.Path, AdapterTensors.WeightsFile), tensors.Select(static pair => (pair.Key, pair.Value)));
        File.WriteAllText(Path.Combine(folder.Path, AdapterTensors.ConfigFile), config ?? AdapterConfigWriter.Write(spec));
        return folder;
    }
}
