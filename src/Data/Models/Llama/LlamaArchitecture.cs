using Peft.Orleans.Data.Models.Gated;

namespace Peft.Orleans.Data.Models.Llama;

/// <summary>Llama 1, 2 and 3, and whatever was saved as one: biases where the configuration says so.</summary>
internal sealed class LlamaArchitecture : GatedArchitecture
{
    public override string Family => "llama";

    public override string Architecture => "LlamaForCausalLM";

    protected override IReadOnlyList<string> OwnKeys => ["attention_bias", "mlp_bias"];

    protected override GatedConfig Own(ConfigReader config, GatedConfig common)
    {
        var attention = config.Flag("attention_bias", false);
        return common with { QueryKeyValueBias = attention, OutputBias = attention, MlpBias = config.Flag("mlp_bias", false) };
    }
}
