using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Planning;

/// <summary>The sizes of a decoder model that plan and memory depend on.</summary>
public sealed record ModelDimensions
{
    /// <summary>Hidden size.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Decoder layers.</summary>
    public required int Blocks { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Vocabulary.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Whether the head shares the embedding's weight.</summary>
    public required bool Tied { get; init; }

    /// <summary>Weights of the linear modules of one block: module → (out, in).</summary>
    public IReadOnlyList<(string Name, int Out, int In)> Linears =>
    [
        ("q_proj", Heads * HeadDim, HiddenSize), ("k_proj", KeyValueHeads * HeadDim, HiddenSize), ("v_proj", KeyValueHeads * HeadDim, HiddenSize),
        ("o_proj", HiddenSize, Heads * HeadDim), ("gate_proj", IntermediateSize, HiddenSize), ("up_proj", IntermediateSize, HiddenSize),
        ("down_proj", HiddenSize, IntermediateSize),
    ];

    /// <summary>Parameters of one block, norms included.</summary>
    public long BlockParameters => Linears.Sum(static linear => (long)linear.Out * linear.In) + (2L * HiddenSize);

    /// <summary>Parameters of the embedding.</summary>
    public long EmbeddingParameters => (long)Vocabulary * HiddenSize;

    /// <summary>
    /// Layer shards and their positions in the chain: embedding, blocks, head; trained tied embeddings are one parameter in one shard, to
    /// which the chain returns. A block costs its parameters; the embedding is a lookup.
    /// </summary>
    public PlanModel PlanFor(MethodSpec method)
    {
        var head = (double)EmbeddingParameters / BlockParameters;
        var tied = TrainsTiedEmbedding(method);
        var costs = Enumerable.Repeat(1.0, Blocks).Prepend(tied ? head : 0.05);
        var positions = Enumerable.Range(0, Blocks + 1);
        return tied
            ? new PlanModel([.. costs], [.. positions, 0])
            : new PlanModel([.. costs, head], [.. positions, Blocks + 1]);
    }

    /// <summary>Whether embedding and head are one trained shard.</summary>
    public bool TrainsTiedEmbedding(MethodSpec method) => method.Name == MethodName.Full && Tied;
}
