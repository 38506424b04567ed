using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models.Rope;

namespace Peft.Orleans.Data.Models.Gated;

/// <summary>
/// What the families of gated blocks behind RMSNorm with rotary positions have in common: Llama and those that differ from it by a few
/// keys of their config.json. Defaults of absent keys are Hugging Face's.
/// </summary>
public sealed record GatedConfig
{
    /// <summary>Hidden size.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder blocks.</summary>
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
    public required double RmsNormEps { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>RoPE scaling.</summary>
    public required RopeScaling RopeScaling { get; init; }

    /// <summary>Whether the head shares the embedding's weight.</summary>
    public required bool TieWordEmbeddings { get; init; }

    /// <summary>Longest sequence the model is made for.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>Tokens that end a text.</summary>
    public required IReadOnlyList<int> EosTokenIds { get; init; }

    /// <summary>Standard deviation of random initial weights.</summary>
    public required double InitializerRange { get; init; }

    /// <summary>Type of the stored weights according to the configuration; null: not said.</summary>
    public WeightType? TorchDtype { get; init; }

    /// <summary>Whether q, k and v have biases.</summary>
    public bool QueryKeyValueBias { get; init; }

    /// <summary>Whether o has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether gate, up and down have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether each head's query and key pass an RMSNorm before they are turned; one weight <c>[head_dim]</c> for all.</summary>
    public bool HeadNorms { get; init; }

    /// <summary>Keys that a position sees in blocks with a window, itself among them; null: no block has one.</summary>
    public int? SlidingWindow { get; init; }

    /// <summary>Which blocks have the window; null: all.</summary>
    public IReadOnlyList<bool>? Windowed { get; init; }

    /// <summary>The window of a block, from 0; null: it sees everything before it.</summary>
    public int? WindowOf(int block) => Windowed is null || Windowed[block] ? SlidingWindow : null;
}
