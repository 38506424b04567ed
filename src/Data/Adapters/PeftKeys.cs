using System.Collections.Frozen;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// The keys of PEFT's adapter_config.json: those that change nothing of what an adapter computes, those that are read, and, for every
/// other key with a value, why it is refused. A key is never passed over because nobody knows it.
/// </summary>
internal static class PeftKeys
{
    /// <summary>What to do with an adapter of a kind that this version does not compute.</summary>
    internal const string Remedy = "train it without, or merge it with PEFT (merge_and_unload) and use the merged model";

    // Where it comes from, how it was trained, settings of loading it.
    private static readonly FrozenSet<string> Notes = FrozenSet.ToFrozenSet(
    [
        "peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "runtime_config",
        "lora_dropout", "boft_dropout", "init_weights", "megatron_core", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
        "qalora_group_size", "ensure_weight_tying",
        // PEFT takes it back itself, with a warning, where a module is a linear one, as all of this program's are.
        "fan_in_fan_out",
    ]);

    private static readonly FrozenSet<string> Read = FrozenSet.ToFrozenSet(
    [
        "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
        "r", "lora_alpha", "use_rslora", "use_dora", "init_lora_weights", "rank_pattern", "alpha_pattern",
        "boft_block_size", "boft_block_num", "boft_n_butterfly_factor",
    ]);

    private static readonly FrozenDictionary<string, string> Reasons = new Dictionary<string, string>
    {
        ["modules_to_save"] = "modules that were trained whole are not loaded",
        ["lora_bias"] = "a bias of lora_B is not computed",
        ["layer_replication"] = "layers that are used several times are not supported",
        ["target_parameters"] = "adapters of parameters that are no linear modules are not supported",
        ["trainable_token_indices"] = "trained rows of the embedding are not loaded",
        ["alora_invocation_tokens"] = "adapters that act from a token on (aLoRA) are not supported",
        ["megatron_config"] = "Megatron's layers are not supported",
        ["use_qalora"] = "adapters of pooled inputs (QALoRA) are not supported",
        ["use_bdlora"] = "block-diagonal adapters (BD-LoRA) are not supported",
        ["velora_config"] = "VeLoRA is not supported",
        ["kasa_config"] = "KaSA changes the base weights, which are not in the adapter's folder",
        ["monteclora_config"] = "MonteCLoRA is not supported",
        ["arrow_config"] = "routed adapters (Arrow) are not supported",
    }.ToFrozenDictionary();

    /// <exception cref="Core.PeftException">A key that changes what is computed has a value; names file, key and value.</exception>
    internal static void Check(ConfigReader config)
    {
        if (config.IsSet("bias") && config.Text("bias") != "none")
            throw config.Refusal("bias", $"trained biases are not loaded, only 'none' is supported; {Remedy}");
        foreach (var key in config.Keys)
        {
            if (key == "bias" || Notes.Contains(key) || Read.Contains(key) || !config.IsSet(key))
                continue;
            throw config.Refusal(
                key,
                Reasons.TryGetValue(key, out var reason)
                    ? $"{reason}; {Remedy}"
                    : "this version does not know the key, and cannot tell whether it changes what the adapter computes; remove it if it "
                        + "does not, "
                        + "else merge the adapter with PEFT (merge_and_unload) and use the merged model"
            );
        }
    }
}
