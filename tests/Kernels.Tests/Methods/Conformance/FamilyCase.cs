using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>A family as every method meets it: a small model with all that the family may have.</summary>
/// <param name="Name">Name in test results.</param>
/// <param name="Config">Its config.json; the vocabulary is the tiny model's.</param>
/// <param name="Modules">Its module names, by Llama's, which the methods' table uses; only square ones replace square ones.</param>
internal sealed record FamilyCase(string Name, string Config, IReadOnlyDictionary<string, string> Modules)
{
    /// <summary>The families beside Llama, on which the whole suite runs.</summary>
    internal static IReadOnlyList<FamilyCase> All { get; } =
    [
        Gated("mistral", "Mistral", "\"sliding_window\": 5"),
        Gated("qwen2", "Qwen2", "\"use_sliding_window\": true, \"sliding_window\": 5, \"max_window_layers\": 1"),
        Gated("qwen3", "Qwen3", "\"tie_word_embeddings\": true"),
        Bloom("bloom", 3, "\"tie_word_embeddings\": true"),
        Bloom("bloom, normed residuals", 2, "\"apply_residual_connection_post_layernorm\": true, \"tie_word_embeddings\": false"),
    ];

    /// <summary>All families, a model each at least.</summary>
    internal static IReadOnlyList<FamilyCase> Every { get; } = [Gated("llama", "Llama", "\"attention_bias\": true"), .. All];

    /// <summary>Families and methods, for theories.</summary>
    public static MatrixTheoryData<string, string> Cases => new(
        All.Select(static family => family.Name),
        MethodCase.All.Select(static item => item.Name));

    internal static FamilyCase Of(string name) => All.Single(family => family.Name == name);

    /// <summary>A method of the table with this family's names.</summary>
    internal MethodSpec Named(MethodSpec method) => method with
    {
        TargetModules = [.. method.TargetModules.Select(name => Modules.GetValueOrDefault(name, name)).Distinct()],
    };

    private static FamilyCase Gated(string name, string architecture, string more) => new(
        name,
        $$"""
        {"architectures": ["{{architecture}}ForCausalLM"], "model_type": "{{name}}", "vocab_size": 53, "hidden_size": 32,
         "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
         "rms_norm_eps": 1e-5, {{more}}}
        """,
        new Dictionary<string, string>());

    private static FamilyCase Bloom(string name, int heads, string more) => new(
        name,
        $$"""
        {"architectures": ["BloomForCausalLM"], "model_type": "bloom", "vocab_size": 53, "hidden_size": 48, "n_layer": 2,
         "n_head": {{heads}}, {{more}}}
        """,
        new Dictionary<string, string>
        {
            ["q_proj"] = "dense",
            ["k_proj"] = "query_key_value",
            ["v_proj"] = "query_key_value",
            ["o_proj"] = "dense",
            ["gate_proj"] = "dense_h_to_4h",
            ["up_proj"] = "dense_h_to_4h",
            ["down_proj"] = "dense_4h_to_h",
        });
}
