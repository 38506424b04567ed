using Peft.Orleans.Core;
using Peft.Orleans.Data.Models.Rope;

namespace Peft.Orleans.Data.Models.Gated;

/// <summary>A family of <see cref="GatedConfig"/>: what its configuration and its tensors have in common with the others.</summary>
internal abstract class GatedArchitecture : ModelArchitecture
{
    /// <summary>Keys of <see cref="ForeignKeys"/> that the family reads itself.</summary>
    protected virtual IReadOnlyList<string> OwnKeys => [];

    /// <summary>Key and value heads where the key is absent; null: as many as query heads.</summary>
    protected virtual int? DefaultKeyValueHeads => null;

    /// <summary>Width of a head where the key is absent; null: hidden size / heads.</summary>
    protected virtual int? DefaultHeadDim => null;

    /// <summary>Longest sequence where the key is absent.</summary>
    protected virtual int DefaultPositions => 2048;

    public sealed override ModelDescription Describe(ConfigReader config)
    {
        ForeignKeys.Refuse(config, Family, OwnKeys);
        return GatedDescription.Of(Own(config, Common(config)));
    }

    /// <summary>What the family's own keys make of it.</summary>
    protected virtual GatedConfig Own(ConfigReader config, GatedConfig common) => common;

    private GatedConfig Common(ConfigReader config)
    {
        foreach (var key in (string[])["hidden_act", "hidden_activation"])
        {
            if ((config.Text(key) ?? "silu") is var activation and not ("silu" or "swish"))
                throw new PeftException($"{config.File}: {key} {activation} is not supported; supported: silu");
        }

        var hidden = config.PositiveInteger("hidden_size");
        var heads = config.PositiveInteger("num_attention_heads");
        // Null is what older files write for as many as query heads.
        var isNull = config.Keys.Contains("num_key_value_heads") && !config.Has("num_key_value_heads");
        var keyValueHeads = config.PositiveInteger("num_key_value_heads", isNull ? heads : DefaultKeyValueHeads ?? heads);
        if (heads % keyValueHeads != 0)
            throw new PeftException($"{config.File}: num_attention_heads {heads} is not a multiple of num_key_value_heads {keyValueHeads}");
        if (!config.Has("head_dim") && DefaultHeadDim is null && hidden % heads != 0)
            throw new PeftException(
                $"{config.File}: hidden_size {hidden} is not a multiple of num_attention_heads {heads}, and there is no head_dim"
            );
        var headDim = config.PositiveInteger("head_dim", DefaultHeadDim ?? hidden / heads);
        if (headDim % 2 != 0) throw new PeftException($"{config.File}: head_dim {headDim} is odd; rotary embeddings need an even one");
        var positions = config.PositiveInteger("max_position_embeddings", DefaultPositions);
        var (theta, scaling) = RopeReader.Read(config, headDim, positions);
        return new GatedConfig
        {
            HiddenSize = hidden,
            IntermediateSize = config.PositiveInteger("intermediate_size"),
            NumHiddenLayers = config.PositiveInteger("num_hidden_layers"),
            NumAttentionHeads = heads,
            NumKeyValueHeads = keyValueHeads,
            HeadDim = headDim,
            VocabSize = config.PositiveInteger("vocab_size"),
            RmsNormEps = config.Number("rms_norm_eps", 1e-6),
            RopeTheta = theta,
            RopeScaling = scaling,
            TieWordEmbeddings = config.Flag("tie_word_embeddings", false),
            MaxPositionEmbeddings = positions,
            EosTokenIds = config.Integers("eos_token_id"),
            InitializerRange = config.Number("initializer_range", 0.02),
            TorchDtype = config.StoredType(),
        };
    }
}
