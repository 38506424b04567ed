namespace Peft.Orleans.Core.Models;

/// <summary>The sizes of a decoder model that plan and memory depend on.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ModelDimensions")]
public sealed record ModelDimensions
{
    /// <summary>Hidden size.</summary>
    [Id(0)] public required int HiddenSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    [Id(1)] public required int IntermediateSize { get; init; }

    /// <summary>Decoder layers.</summary>
    [Id(2)] public required int Blocks { get; init; }

    /// <summary>Query heads.</summary>
    [Id(3)] public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    [Id(4)] public required int KeyValueHeads { get; init; }

    /// <summary>Width of a head.</summary>
    [Id(5)] public required int HeadDim { get; init; }

    /// <summary>Vocabulary.</summary>
    [Id(6)] public required int Vocabulary { get; init; }

    /// <summary>Whether the head shares the embedding's weight.</summary>
    [Id(7)] public required bool Tied { get; init; }

    /// <summary>
    /// The linear modules of one block, in the order in which the block has them; names and sizes are the model family's.
    /// </summary>
    [Id(8)] public required IReadOnlyList<LinearDimensions> Linears { get; init; }

    /// <summary>Elements of one block's norms.</summary>
    [Id(9)] public required int BlockNorms { get; init; }

    /// <summary>Elements of the norm before the head.</summary>
    [Id(10)] public required int HeadNorms { get; init; }

    /// <summary>Elements of a norm after the embedding; 0: there is none.</summary>
    [Id(11)] public int EmbeddingNorms { get; init; }

    /// <summary>Longest sequence the model is made for; 0: any, or not said.</summary>
    [Id(12)] public int MaxPositions { get; init; }

    /// <summary>What the names of a block's modules begin with, before its number: <c>model.layers.</c></summary>
    [Id(13)] public string BlockPrefix { get; init; } = "";

    /// <summary>Whether queries and keys pass a norm, for whose backward pass they are kept as they were before it.</summary>
    [Id(14)] public bool NormsHeads { get; init; }

    /// <summary>The name of a block's module: <c>model.layers.3.self_attn.q_proj</c>.</summary>
    /// <param name="block">The block, from 0.</param>
    /// <param name="linear">One of <see cref="Linears"/>.</param>
    public string ModuleName(int block, LinearDimensions linear) => $"{BlockPrefix}{block}.{linear.Module}";

    /// <summary>Parameters of one block, biases and norms included.</summary>
    public long BlockParameters => Linears.Sum(static linear => linear.Parameters) + BlockNorms;

    /// <summary>Parameters of the embedding.</summary>
    public long EmbeddingParameters => (long)Vocabulary * HiddenSize;
}
