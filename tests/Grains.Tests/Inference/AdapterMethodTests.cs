using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Tests.Inference;

public sealed class AdapterMethodTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("adapter-").FullName;

    [Fact]
    public void PEFTs_BOFT_is_the_input_side()
    {
        var method = Of("""{"peft_type": "BOFT", "boft_block_num": 0, "boft_block_size": 4, "boft_n_butterfly_factor": 2, "target_modules": ["v_proj", "q_proj"], "auto_mapping": {"base_model_class": "LlamaForCausalLM"}}""");
        Assert.Equal(MethodName.Boft, method.Name);
        Assert.Equal(new BoftSpec { BlockSize = 4, ButterflyFactors = 2 }, method.Boft);
        Assert.Equal(["v_proj", "q_proj"], method.TargetModules);
        Assert.Equal(folder, method.InitialAdapter);
    }

    [Fact]
    public void PEFTs_DoRA_is_an_option_of_LoRA()
    {
        var method = Of("""{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_dora": true, "target_modules": "all-linear"}""");
        Assert.Equal(new LoraSpec { Rank = 4, Alpha = 8, Dora = true }, method.Lora);
        Assert.Equal(["all-linear"], method.TargetModules);
    }

    [Fact]
    public void A_form_of_BOFT_that_PEFT_lacks_is_read_from_its_method()
    {
        var method = Of("""{"peft_type": "BOFT", "boft_block_num": 0, "boft_block_size": 0, "target_modules": ["v_proj"], "method": {"name": "boft", "target_modules": ["v_proj"], "boft": {"block_size": 4, "side": "output"}}}""");
        Assert.Equal(new BoftSpec { BlockSize = 4, Side = BoftSide.Output }, method.Boft);
        Assert.Equal(["v_proj"], method.TargetModules);
    }

    [Theory]
    [InlineData("""{"peft_type": "BOFT", "boft_block_num": 8, "boft_block_size": 0, "boft_n_butterfly_factor": 1, "target_modules": ["v_proj"]}""", "boft_block_num")]
    [InlineData("""{"peft_type": "VERA", "target_modules": ["v_proj"]}""", "VERA")]
    public void What_is_not_supported_is_refused_by_name(string config, string part)
    {
        var message = Assert.Throws<PeftException>(() => Of(config)).Message;
        Assert.Contains(part, message);
        Assert.Contains("adapter_config.json", message);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private MethodSpec Of(string config)
    {
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), config);
        return AdapterMethod.Of(folder);
    }
}
