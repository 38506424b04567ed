using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>The methods that PEFT has, from its keys in adapter_config.json; absent and null keys have PEFT's defaults.</summary>
internal static class PeftMethods
{
    // Starts that leave the base as it is: their B·A belongs to the weights of the base model's folder. All others (pissa…, olora,
    // corda…, loftq, lora_ga, and what is to come) subtract their start from the base, or put another in its place, which no file of
    // the adapter keeps.
    private static readonly string[] BaseKeptBy = ["gaussian", "eva", "orthogonal", "mica"];

    /// <summary>LoRA, with or without DoRA.</summary>
    internal static MethodSpec Lora(ConfigReader config)
    {
        CheckStart(config);
        return new MethodSpec
        {
            Name = MethodName.Lora,
            Lora = new LoraSpec
            {
                Rank = config.PositiveInteger("r", 8),
                Alpha = Alpha(config, "lora_alpha", 8),
                RankPattern = PeftPatterns.Ranks(config),
                AlphaPattern = PeftPatterns.Alphas(config),
                Rslora = config.Flag("use_rslora", false),
                Dora = config.Flag("use_dora", false),
            },
        };
    }

    /// <summary>BOFT, PEFT's form: input side, Cayley transforms.</summary>
    /// <remarks>With <c>boft_block_num</c> the size of blocks is each module's own: <see cref="PeftBlocks"/>; here it is 0.</remarks>
    internal static MethodSpec Boft(ConfigReader config) => new()
    {
        Name = MethodName.Boft,
        Boft = new BoftSpec
        {
            BlockSize = PeftBlocks.SizeOf(config),
            ButterflyFactors = config.PositiveInteger("boft_n_butterfly_factor", 1),
        },
    };

    /// <summary>An α, above 0; required where <paramref name="absent"/> is null.</summary>
    internal static double Alpha(ConfigReader config, string key, double? absent = null)
    {
        var alpha = config.Number(key, absent);
        return alpha > 0 ? alpha : throw config.Refusal(key, "expected a number above 0");
    }

    private static void CheckStart(ConfigReader config)
    {
        const string Key = "init_lora_weights";
        if (!config.Has(Key) || config.IsFlag(Key)) return;
        if (BaseKeptBy.Contains(config.Text(Key), StringComparer.OrdinalIgnoreCase)) return;
        throw config.Refusal(Key,
            "this start changes the base weights, and the adapter belongs to the changed ones, which are not in its folder; convert it to "
                + "plain LoRA "
            + "with PEFT (save_pretrained with path_initial_model_for_weight_conversion), or merge it there and use the merged model");
    }
}
