namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>What a kernel must know of a layer's attention: causal, with query heads that share key heads.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyHeads">Heads of keys and values; divides <paramref name="Heads"/>.</param>
/// <param name="HeadDim">Elements of a head.</param>
internal sealed record AttentionShape(int Heads, int KeyHeads, int HeadDim)
{
    /// <summary>Query heads of a key head.</summary>
    internal int Group { get; } = Heads / KeyHeads;

    /// <summary>Factor of the scores.</summary>
    internal float Scale { get; init; } = (float)(1 / Math.Sqrt(HeadDim));

    /// <summary>Where the queries of a segment lie in rows <c>[T, heads·head_dim]</c>, T = rows · <paramref name="columns"/>.</summary>
    internal HeadLayout Queries(Segment segment, int columns) => new(segment, columns, KeyHeads, Group, HeadDim);

    /// <summary>Where its keys, or values, lie in rows <c>[T, kv·head_dim]</c>.</summary>
    internal HeadLayout Keys(Segment segment, int columns) => new(segment, columns, KeyHeads, 1, HeadDim);
}
