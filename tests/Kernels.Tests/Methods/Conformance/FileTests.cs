using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Methods.Conformance.MethodRun;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>Adapter and model files: merged, saved, loaded, refused.</summary>
public class FileTests
{
    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Merged_weights_compute_what_the_adapter_computes(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var pipeline = Start(Specs.Of(model.Folder, MethodCase.Of(name).Method));
        Train(pipeline, 3);
        using var folder = WriteModel(model, pipeline);
        using var merged = new LocalPipeline(Specs.Lora(folder.Path, [], 1, 1));
        var expected = pipeline.Logits(Sample(1));
        Compare.Within(merged.Logits(Sample(1)), expected, 5e-6 * expected.abs().max().item<float>());
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void What_is_saved_loads_and_is_saved_with_the_same_bytes(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method);
        using var first = Start(spec);
        Train(first, 3);
        if (spec.Method.Name == MethodName.Full)
        {
            using var folder = WriteModel(model, first);
            using var second = Start(spec with { Model = spec.Model with { Path = folder.Path } });
            using var again = WriteModel(model, second);
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(folder.Path, "model.safetensors")),
                File.ReadAllBytes(Path.Combine(again.Path, "model.safetensors"))
            );
        }
        else
        {
            using var folder = WriteAdapter(spec, first.Export());
            var adapter = AdapterTensors.Read(folder.Path);
            using var second = new LocalPipeline(Continued(spec, folder.Path));
            second.Initialize(adapter);
            Assert.Equal(first.Loss(Sample(1)), second.Loss(Sample(1)), 1e-6);
            using var again = WriteAdapter(spec, second.Export());
            foreach (var file in new[] { AdapterFolder.WeightsName, AdapterFolder.ConfigName })
                Assert.Equal(File.ReadAllBytes(Path.Combine(folder.Path, file)), File.ReadAllBytes(Path.Combine(again.Path, file)));
        }
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void The_configuration_reads_back_as_the_method(string name)
    {
        using var model = new TinyModel(weights: false);
        var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method);
        if (spec.Method.Name is MethodName.Full)
        {
            Assert.Contains(
                "full",
                Assert.Throws<PeftException>(() => AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path))).Message
            );
            return;
        }

        using var config = System.Text.Json.JsonDocument.Parse(AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path)));
        Assert.Equal(MethodTraits.Of(spec.Method).PeftType, config.RootElement.GetProperty("peft_type").GetString());
        Assert.Equal(
            TargetModules.Resolve(spec.Method, ModelFolder.Open(spec.Model.Path).Dimensions),
            config.RootElement.GetProperty("target_modules").EnumerateArray().Select(static module => module.GetString()!)
        );
        if (!config.RootElement.TryGetProperty("method", out var method))
            return; // PEFT's own keys
        var read = RunFile.ParseMethod(method.GetRawText(), "adapter_config.json");
        var named = spec.Method with { TargetModules = TargetModules.Resolve(spec.Method, ModelFolder.Open(spec.Model.Path).Dimensions) };
        Assert.Equal(
            RunFile.WriteMethod(spec with { Method = named }).ToJsonString(),
            RunFile.WriteMethod(spec with { Method = read }).ToJsonString()
        );
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void What_is_saved_is_what_is_read_without_tensors(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method);
        if (spec.Method.Name == MethodName.Full) return; // a model, no adapter
        using var pipeline = Start(spec);
        using var folder = WriteAdapter(spec, pipeline.Export());
        var config = ModelFolder.Open(model.Folder);
        var adapter = AdapterFolder.Read(folder.Path);
        adapter.CheckStart(spec.Method, config, static key => key);
        Assert.Equal(AdapterConfigWriter.Write(spec.Method, config), AdapterConfigWriter.Write(adapter.MethodIn(config), config));
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Adapters_that_do_not_fit_are_refused_by_name(string name)
    {
        var spec = Specs.Of("", MethodCase.Of(name).Method);
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
            var adapter = AdapterTensors.Read(folder.Path);
            using var second = new LocalPipeline(Continued(spec, folder.Path));
            Assert.Contains(part, Assert.Throws<PeftException>(() => second.Initialize(adapter)).Message);
        }

        var other = MethodTraits.Of(spec.Method).PeftType == "URNN" ? "HYBRID" : "URNN";
        Refused(tensors, $"peft_type {other}", $$"""{"peft_type": "{{other}}"}""");
        Refused(new(tensors) { ["base_model.model.model.layers.0.other.weight"] = ones(2) }, "layers.0.other.weight");
        Refused(new(tensors) { [first] = ones(3, 1, 1, 2) }, first);
    }
}
