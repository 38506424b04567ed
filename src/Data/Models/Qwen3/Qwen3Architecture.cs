using Peft.Orleans.Data.Models.Gated;

namespace Peft.Orleans.Data.Models.Qwen3;

/// <summary>Qwen3: Llama with an RMSNorm of each head's query and key, a head size of its own, and windows where asked for.</summary>
internal sealed class Qwen3Architecture : GatedArchitecture
{
    public override string Family => "qwen3";

    public override string Architecture => "Qwen3ForCausalLM";

    protected override IReadOnlyList<string> OwnKeys => [.. LayerWindows.Keys, "attention_bias"];

    protected override int? DefaultKeyValueHeads => 32;

    protected override int? DefaultHeadDim => 128;

    protected override int DefaultPositions => 32768;

    protected override GatedConfig Own(ConfigReader config, GatedConfig common)
    {
        var bias = config.Flag("attention_bias", false);
        return LayerWindows.Read(config, common) with { QueryKeyValueBias = bias, OutputBias = bias, HeadNorms = true };
    }
}
