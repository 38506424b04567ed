using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.Models.Llama;

/// <summary>
/// <c>config.json</c> of a Llama model, in both spellings of the wild: transformers 5 (<c>rope_parameters</c>, <c>dtype</c>) and older
/// (<c>rope_theta</c>, <c>rope_scaling</c>, <c>torch_dtype</c>). Defaults of absent keys are Hugging Face's.
/// </summary>
public sealed record LlamaConfig
{
    /// <summary>Hidden size.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Number of key and value heads; divides <see cref="NumAttentionHeads"/>.</summary>
    public required int NumKeyValueHeads { get; init; }

    /// <summary>Width of a head; not always hidden size / heads.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Rows of the embedding; may exceed the tokenizer's vocabulary.</summary>
    public required int VocabSize { get; init; }

    /// <summary>ε of RMSNorm.</summary>
    public double RmsNormEps { get; init; } = 1e-6;

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>RoPE scaling.</summary>
    public RopeScaling RopeScaling { get; init; } = RopeScaling.None;

    /// <summary>Whether the head shares the embedding's weight.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Whether the attention projections have biases.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether the MLP projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Longest sequence the model is made for.</summary>
    public int MaxPositionEmbeddings { get; init; } = 2048;

    /// <summary>Beginning-of-text token.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Tokens that end a text.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>Standard deviation of random initial weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Type of the stored weights according to the configuration; null: not said.</summary>
    public WeightType? TorchDtype { get; init; }

    /// <summary>The configuration of a folder.</summary>
    /// <exception cref="PeftException">As <see cref="ModelFolder.Open"/>.</exception>
    public static LlamaConfig Read(string folder) => ModelFolder.Open(folder).Config<LlamaConfig>();

    /// <summary>Reads config.json.</summary>
    /// <exception cref="PeftException">Names file, key and reason: unknown activation or RoPE kind, impossible sizes.</exception>
    internal static LlamaConfig Read(ConfigReader config)
    {
        var activation = config.Text("hidden_act") ?? "silu";
        if (activation is not ("silu" or "swish"))
            throw new PeftException($"{config.File}: hidden_act {activation} is not supported; supported: silu");

        var hidden = config.PositiveInteger("hidden_size");
        var heads = config.PositiveInteger("num_attention_heads");
        var keyValueHeads = config.PositiveInteger("num_key_value_heads", heads);
        if (heads % keyValueHeads != 0)
            throw new PeftException($"{config.File}: num_attention_heads {heads} is not a multiple of num_key_value_heads {keyValueHeads}");
        if (!config.Has("head_dim") && hidden % heads != 0)
            throw new PeftException(
                $"{config.File}: hidden_size {hidden} is not a multiple of num_attention_heads {heads}, and there is no head_dim"
            );
        var headDim = config.PositiveInteger("head_dim", hidden / heads);
        if (headDim % 2 != 0) throw new PeftException($"{config.File}: head_dim {headDim} is odd; rotary embeddings need an even one");

        var positions = config.PositiveInteger("max_position_embeddings", 2048);
        var rope = config.Section("rope_parameters");
        return new LlamaConfig
        {
            HiddenSize = hidden,
            IntermediateSize = config.PositiveInteger("intermediate_size"),
            NumHiddenLayers = config.PositiveInteger("num_hidden_layers"),
            NumAttentionHeads = heads,
            NumKeyValueHeads = keyValueHeads,
            HeadDim = headDim,
            VocabSize = config.PositiveInteger("vocab_size"),
            RmsNormEps = config.Number("rms_norm_eps", 1e-6),
            RopeTheta = rope?.Has("rope_theta") == true ? rope.Number("rope_theta") : config.Number("rope_theta", 10000),
            RopeScaling = ReadScaling(config, rope ?? config.Section("rope_scaling"), positions),
            TieWordEmbeddings = config.Flag("tie_word_embeddings", false),
            AttentionBias = config.Flag("attention_bias", false),
            MlpBias = config.Flag("mlp_bias", false),
            MaxPositionEmbeddings = positions,
            BosTokenId = config.OptionalInteger("bos_token_id"),
            EosTokenIds = config.Integers("eos_token_id"),
            InitializerRange = config.Number("initializer_range", 0.02),
            TorchDtype = ReadDtype(config),
        };
    }

    private static RopeScaling ReadScaling(ConfigReader config, ConfigReader? rope, int positions)
    {
        var kind = rope?.Text("rope_type") ?? rope?.Text("type") ?? "default";
        switch (kind)
        {
            case "default":
                return RopeScaling.None;
            case "linear":
                return new RopeScaling(RopeKind.Linear, Positive(rope!, "factor"));
            case "llama3":
                var low = Positive(rope!, "low_freq_factor");
                var high = Positive(rope!, "high_freq_factor");
                if (high <= low)
                    throw new PeftException($"{config.File}: high_freq_factor {high} of RoPE llama3 is not above low_freq_factor {low}");
                return new RopeScaling(
                    RopeKind.Llama3,
                    Positive(rope!, "factor"),
                    low,
                    high,
                    rope!.PositiveInteger("original_max_position_embeddings", positions)
                );
            default:
                throw new PeftException($"{config.File}: RoPE kind {kind} is not supported; supported: default, linear, llama3");
        }
    }

    private static double Positive(ConfigReader rope, string key)
    {
        var number = rope.Number(key);
        return number > 0 ? number : throw new PeftException($"{rope.File}: {key} of RoPE is {number}; it must be positive");
    }

    private static WeightType? ReadDtype(ConfigReader config)
    {
        var name = config.Text("dtype") ?? config.Text("torch_dtype");
        return name switch
        {
            null or "auto" => null,
            "float32" or "torch.float32" => WeightType.Float32,
            "bfloat16" or "torch.bfloat16" => WeightType.BFloat16,
            "float16" or "torch.float16" => WeightType.Float16,
            _ => throw new PeftException($"{config.File}: dtype {name} is not supported; supported: float32, bfloat16, float16"),
        };
    }
}
