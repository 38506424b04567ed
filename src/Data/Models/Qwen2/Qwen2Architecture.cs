using Peft.Orleans.Data.Models.Gated;

namespace Peft.Orleans.Data.Models.Qwen2;

/// <summary>Qwen2 and Qwen2.5: Llama with biases on q, k and v alone, and windows in some blocks where asked for.</summary>
internal sealed class Qwen2Architecture : GatedArchitecture
{
    public override string Family => "qwen2";

    public override string Architecture => "Qwen2ForCausalLM";

    protected override IReadOnlyList<string> OwnKeys => [.. LayerWindows.Keys, "attention_bias", "qkv_bias", "use_qkv_bias"];

    protected override int? DefaultKeyValueHeads => 32;

    protected override int DefaultPositions => 32768;

    protected override GatedConfig Own(ConfigReader config, GatedConfig common)
    {
        // Not keys of this family, whose reference always has these biases and no other; where files have them they must agree.
        foreach (var key in (string[])["attention_bias", "qkv_bias", "use_qkv_bias"])
        {
            if (!config.Flag(key, true)) throw config.Refusal(key, "family qwen2 always has biases on q, k and v; remove the key");
        }

        return LayerWindows.Read(config, common) with { QueryKeyValueBias = true };
    }
}
