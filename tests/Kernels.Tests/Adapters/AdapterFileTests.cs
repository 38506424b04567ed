using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Adapters;

public class AdapterFileTests
{
    [Fact]
    public void A_written_adapter_starts_the_next_run_with_the_same_bits()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var hybrid = Specs.Hybrid(model.Folder, ["q_proj", "down_proj"], 2, 4, 4, 2);
        foreach (
            var spec in new[]
            {
                Specs.Lora(model.Folder, ["k_proj", "up_proj"], 2, 4),
                hybrid with
                {
                    Method = hybrid.Method with { LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Random } },
                },
            }
        )
        {
            var fresh = spec with { Method = spec.Method with { InitialAdapter = null } };
            using var first = new LocalPipeline(fresh);
            first.Initialize();
            var batch = Batches.Of([TinyModel.Ids(new Random(1), 12)]);
            for (var step = 1; step <= 3; step++) first.Step(step, [batch], 0.01);
            var export = first.Export();
            using var folder = MethodRun.WriteAdapter(fresh, export);
            var adapter = AdapterTensors.Read(folder.Path);
            using var second = new LocalPipeline(fresh with { Method = fresh.Method with { InitialAdapter = folder.Path } });
            second.Initialize(adapter);
            foreach (var (name, value) in second.Export()) Assert.True(value.eq(export[name]).all().item<bool>(), name);
            Assert.Equal(first.Loss(batch), second.Loss(batch), 1e-6);

            // Another rank, other modules, another method: refused with the tensor's name or the type.
            using var rank = new LocalPipeline(fresh with { Method = fresh.Method with { Lora = fresh.Method.Lora with { Rank = 3 } } });
            Assert.Contains("lora_A", Assert.Throws<PeftException>(() => rank.Initialize(adapter)).Message);
            using var fewer = new LocalPipeline(
                fresh with
                {
                    Method = fresh.Method with { TargetModules = [fresh.Method.TargetModules[0]] },
                }
            );
            Assert.Contains(fresh.Method.TargetModules[1], Assert.Throws<PeftException>(() => fewer.Initialize(adapter)).Message);
        }
    }

    [Fact]
    public void Lora_configuration_has_PEFTs_keys()
    {
        using var model = new TinyModel(weights: false);
        var spec = Specs.Lora(model.Folder, ["v_proj", "q_proj"], 4, 8, rslora: true);
        using var config = JsonDocument.Parse(AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path)));
        var root = config.RootElement;
        Assert.Equal("LORA", root.GetProperty("peft_type").GetString());
        Assert.Equal(4, root.GetProperty("r").GetInt32());
        Assert.Equal(8, root.GetProperty("lora_alpha").GetInt32());
        Assert.True(root.GetProperty("use_rslora").GetBoolean());
        Assert.Equal("CAUSAL_LM", root.GetProperty("task_type").GetString());
        Assert.Equal(["q_proj", "v_proj"], root.GetProperty("target_modules").EnumerateArray().Select(static item => item.GetString()));
    }

    [Theory]
    [InlineData("""{"peft_type": "LORA", "modules_to_save": ["lm_head"]}""", "modules_to_save")]
    [InlineData("""{"peft_type": "LORA", "rank_pattern": {"q_proj": 0}}""", "rank_pattern")]
    [InlineData("""{"peft_type": "LORA", "bias": "all"}""", "bias")]
    [InlineData("""{"r": 8}""", "peft_type")]
    [InlineData("""{"r": """, "JSON")]
    public void Options_that_are_not_implemented_are_refused_by_name(string text, string part)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, AdapterFolder.ConfigName);
        File.WriteAllText(path, text);
        var error = Assert.Throws<PeftException>(() => AdapterTensors.Read(folder.Path));
        Assert.Contains(part, error.Message);
        Assert.Contains(path, error.Message);
    }
}
