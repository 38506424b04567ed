using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.Models.Bloom;

/// <summary>
/// <c>config.json</c> of a BLOOM or BLOOMZ model, in both spellings of the wild: <c>hidden_size</c>, <c>num_hidden_layers</c>,
/// <c>num_attention_heads</c>, or <c>n_embed</c>, <c>n_layer</c>, <c>n_head</c>. Defaults of absent keys are Hugging Face's.
/// </summary>
public sealed record BloomConfig
{
    /// <summary>Hidden size; the MLP is four times as wide.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Number of heads; divides <see cref="HiddenSize"/>, and need not be a power of two.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Rows of the embedding; may exceed the tokenizer's vocabulary.</summary>
    public required int VocabSize { get; init; }

    /// <summary>ε of LayerNorm.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;

    /// <summary>Whether residuals are the normalised rows, instead of those before the norm.</summary>
    public bool ApplyResidualConnectionPostLayernorm { get; init; }

    /// <summary>Whether the head shares the embedding's weight.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Tokens that end a text.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [2];

    /// <summary>Standard deviation of random initial weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Type of the stored weights according to the configuration; null: not said.</summary>
    public WeightType? TorchDtype { get; init; }

    /// <summary>Reads config.json.</summary>
    /// <exception cref="PeftException">Names file, key and reason: two spellings that disagree, impossible sizes.</exception>
    internal static BloomConfig Read(ConfigReader config)
    {
        var hidden = OneOf(config, "hidden_size", "n_embed");
        var heads = OneOf(config, "num_attention_heads", "n_head");
        if (hidden % heads != 0)
            throw new PeftException($"{config.File}: the hidden size {hidden} is not a multiple of the number of heads, {heads}");
        var ends = config.Integers("eos_token_id");
        return new BloomConfig
        {
            HiddenSize = hidden,
            NumHiddenLayers = OneOf(config, "num_hidden_layers", "n_layer"),
            NumAttentionHeads = heads,
            VocabSize = config.PositiveInteger("vocab_size"),
            LayerNormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            ApplyResidualConnectionPostLayernorm = config.Flag("apply_residual_connection_post_layernorm", false),
            TieWordEmbeddings = config.Flag("tie_word_embeddings", true),
            EosTokenIds = ends.Length == 0 ? [2] : ends,
            InitializerRange = config.Number("initializer_range", 0.02),
            TorchDtype = config.StoredType(),
        };
    }

    private static int OneOf(ConfigReader config, string key, string other)
    {
        if (!config.Has(other)) return config.PositiveInteger(key);
        var number = config.PositiveInteger(other);
        return !config.Has(key) || config.PositiveInteger(key) == number
            ? number
            : throw config.Refusal(key, $"but {other}, which means the same, is {number}; remove the wrong one");
    }
}
