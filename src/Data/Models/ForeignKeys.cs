using System.Globalization;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models;

/// <summary>
/// Keys of a config.json by which some family computes something else. Where a family does not read one itself, it must say what changes
/// nothing; else the model is refused, since its results would be wrong in silence.
/// </summary>
internal static class ForeignKeys
{
    private const string WindowKey = "sliding_window";

    private static readonly Dictionary<string, (Func<string, bool> Neutral, string Means)> Table = new(StringComparer.Ordinal)
    {
        ["attention_bias"] = (Off, "biases of the attention's projections"),
        ["attention_out_bias"] = (Off, "biases of the attention's projections"),
        ["qkv_bias"] = (Off, "biases of q, k and v"),
        ["use_qkv_bias"] = (Off, "biases of q, k and v"),
        ["mlp_bias"] = (Off, "biases of the MLP"),
        ["use_bias"] = (Off, "biases of linear modules"),
        ["bias"] = (Off, "biases of linear modules"),
        ["add_bias_linear"] = (Off, "biases of linear modules"),
        ["lm_head_bias"] = (Off, "a bias of the head"),

        ["attention_dropout"] = (Off, "dropout of attention's probabilities while training; write 0 to train without"),
        ["attn_pdrop"] = (Off, "dropout of attention's probabilities while training; write 0 to train without"),
        ["hidden_dropout"] = (Off, "dropout of rows while training; write 0 to train without"),
        ["resid_pdrop"] = (Off, "dropout of rows while training; write 0 to train without"),
        ["residual_dropout"] = (Off, "dropout of rows while training; write 0 to train without"),
        ["embd_pdrop"] = (Off, "dropout of the embedding while training; write 0 to train without"),
        ["embedding_dropout"] = (Off, "dropout of the embedding while training; write 0 to train without"),
        ["layerdrop"] = (Off, "layers left out while training; write 0 to train without"),

        [WindowKey] = (Off, "a sliding window of attention, unless it is at least max_position_embeddings"),
        ["use_sliding_window"] = (Off, "a sliding window of attention"),
        ["sliding_window_pattern"] = (Off, "a sliding window in some layers"),
        ["global_attn_every_n_layers"] = (Off, "a sliding window in some layers"),
        ["layer_types"] = (static raw => !raw.Replace("\"full_attention\"", "").Contains('"'), "layers of other kinds than full attention"),
        ["attention_chunk_size"] = (Off, "attention within chunks"),
        ["attn_temperature_tuning"] = (Off, "scores that depend on the position"),
        ["attn_logit_softcapping"] = (Off, "bounded scores"),
        ["query_pre_attn_scalar"] = (Off, "another factor of the scores"),
        ["attention_multiplier"] = (Off, "another factor of the scores"),
        ["clip_qkv"] = (Off, "bounded queries, keys and values"),
        ["use_logn_attn"] = (Off, "scores that depend on the position"),
        ["use_bidirectional_attention"] = (Off, "attention to later positions"),
        ["use_qk_norm"] = (Off, "norms of queries and keys"),
        ["qk_norm"] = (Off, "norms of queries and keys"),
        ["qk_layernorm"] = (Off, "norms of queries and keys"),
        ["alibi"] = (Off, "ALiBi"),
        ["multi_query"] = (Off, "one key head for all queries, in a fused module"),
        ["kv_lora_rank"] = (Off, "latent attention"),
        ["q_lora_rank"] = (Off, "latent attention"),

        ["partial_rotary_factor"] = (One, "heads that are turned in part"),
        ["rotary_pct"] = (One, "heads that are turned in part"),
        ["rope_pct"] = (One, "heads that are turned in part"),
        ["rotary_dim"] = (Off, "heads that are turned in part"),
        ["rope_interleaved"] = (Off, "neighbouring elements that are turned together"),
        ["rope_interleave"] = (Off, "neighbouring elements that are turned together"),
        ["rope_local_base_freq"] = (Off, "another base of RoPE in some layers"),
        ["use_dynamic_ntk"] = (Off, "a base of RoPE that depends on the length; write rope_scaling instead"),
        ["no_rope_layers"] = (Off, "layers without RoPE"),
        ["no_rope_layer_interval"] = (Off, "layers without RoPE"),
        ["position_embedding_type"] = (static raw => raw is "\"rope\"" or "\"rotary\"", "other positions than RoPE"),

        ["parallel_attn"] = (Off, "attention and MLP side by side"),
        ["use_parallel_residual"] = (Off, "attention and MLP side by side"),
        ["apply_residual_connection_post_layernorm"] = (Off, "a residual connection from behind the norm"),

        ["logits_scaling"] = (One, "divided logits"),
        ["logit_scale"] = (One, "multiplied logits"),
        ["lm_head_multiplier"] = (One, "multiplied logits"),
        ["final_logit_softcapping"] = (Off, "bounded logits"),
        ["embedding_multiplier"] = (One, "a multiplied embedding"),
        ["scale_emb"] = (One, "a multiplied embedding"),
        ["residual_multiplier"] = (One, "multiplied residual branches"),
        ["scale_depth"] = (Off, "multiplied residual branches"),
        ["dim_model_base"] = (Off, "divided logits"),

        ["num_local_experts"] = (Off, "a mixture of experts"),
        ["num_experts"] = (Off, "a mixture of experts"),
        ["n_routed_experts"] = (Off, "a mixture of experts"),
        ["moe_num_experts"] = (Off, "a mixture of experts"),

        ["is_encoder_decoder"] = (Off, "an encoder"),
        ["add_cross_attention"] = (Off, "attention to an encoder"),
        ["cross_attention_layers"] = (Off, "attention to an encoder"),
        ["vision_config"] = (Off, "pictures; save the language model alone"),
        ["audio_config"] = (Off, "sound; save the language model alone"),
        ["pruned_heads"] = (Off, "heads that are left out"),
    };

    /// <summary>All keys of the table.</summary>
    internal static IReadOnlyCollection<string> Keys => Table.Keys;

    /// <summary>Refuses a configuration that says of such a key what would change results.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="family">Its family.</param>
    /// <param name="own">Keys that the family reads itself.</param>
    /// <exception cref="PeftException">Names file, key and what it means.</exception>
    internal static void Refuse(ConfigReader config, string family, IReadOnlyList<string> own)
    {
        foreach (var key in config.Keys)
        {
            if (own.Contains(key) || !config.Has(key) || !Table.TryGetValue(key, out var row) || row.Neutral(config.Raw(key)!)) continue;
            if (key == WindowKey && SeesEverything(config)) continue;
            throw config.Refusal(key, $"family {family} does not compute that: {row.Means}; remove the key if the model was made without");
        }
    }

    /// <summary>Whether a window is none: switched off, or so wide that no sequence of the model, none of which is longer than its
    /// positions, reaches beyond it.</summary>
    private static bool SeesEverything(ConfigReader config) =>
        (config.Has("use_sliding_window") && !config.Flag("use_sliding_window", false))
        || (config.OptionalInteger("max_position_embeddings") is { } positions
            && config.OptionalInteger(WindowKey) is { } window && window >= positions);

    private static bool Off(string raw) => raw is "false" or "\"\"" or "[]" or "{}" || IsNumber(raw, 0);

    private static bool One(string raw) => IsNumber(raw, 1);

    private static bool IsNumber(string raw, double value) =>
        double.TryParse(raw, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number == value;
}
