using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.Models;

/// <summary>What a family makes of a folder's config.json: all that others than the family's own folders need to know of a model.</summary>
public sealed record ModelDescription
{
    /// <summary>The family's own configuration, which its layer shards read.</summary>
    public required object Config { get; init; }

    /// <summary>Hidden size.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Decoder blocks.</summary>
    public required int Blocks { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Whether the head is the embedding's weight.</summary>
    public required bool Tied { get; init; }

    /// <summary>Longest sequence the model is made for; 0: any.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>
    /// Longest text, prompt and answer, that has one answer when it is generated with a cache; null: no such bound.
    /// </summary>
    public GenerationBound? GenerationBound { get; init; }

    /// <summary>Whether queries and keys pass a norm.</summary>
    public bool NormsHeads { get; init; }

    /// <summary>Tokens that end a text, according to config.json.</summary>
    public required IReadOnlyList<int> EndTokens { get; init; }

    /// <summary>Standard deviation of random initial weights.</summary>
    public required double InitializerRange { get; init; }

    /// <summary>Type of the stored weights; float32 where the configuration does not say.</summary>
    public required WeightType StoredType { get; init; }

    /// <summary>What the names of a block's modules begin with, before its number: <c>model.layers.</c></summary>
    public required string BlockPrefix { get; init; }

    /// <summary>The linear modules of a block, in its order, named without the block's prefix.</summary>
    public required IReadOnlyList<LinearSite> Linears { get; init; }

    /// <summary>The other tensors of a block, named without the block's prefix.</summary>
    public required IReadOnlyList<ModelTensor> BlockTensors { get; init; }

    /// <summary>Tensors of layer 0: the embedding, and a norm where one follows.</summary>
    public required IReadOnlyList<ModelTensor> EmbeddingTensors { get; init; }

    /// <summary>Tensors of the last layer: the norm before the head, and the head; a tied one is the embedding's.</summary>
    public required IReadOnlyList<ModelTensor> HeadTensors { get; init; }

    /// <summary>The sizes that plan and memory depend on.</summary>
    public ModelDimensions Dimensions => new()
    {
        HiddenSize = HiddenSize,
        IntermediateSize = IntermediateSize,
        Blocks = Blocks,
        Heads = Heads,
        KeyValueHeads = KeyValueHeads,
        HeadDim = HeadDim,
        Vocabulary = Vocabulary,
        Tied = Tied,
        MaxPositions = MaxPositions,
        Linears = Linears.Select(static linear => linear.Dimensions).ToArray(),
        BlockNorms = Norms(BlockTensors),
        HeadNorms = Norms(HeadTensors),
        EmbeddingNorms = Norms(EmbeddingTensors),
        BlockPrefix = BlockPrefix,
        NormsHeads = NormsHeads,
    };

    private static int Norms(IReadOnlyList<ModelTensor> tensors) =>
        checked(
            (int)
                tensors
                    .Where(static tensor => tensor.Kind is TensorKind.NormWeight or TensorKind.NormBias)
                    .Sum(static tensor => tensor.Shape[0])
        );
}
