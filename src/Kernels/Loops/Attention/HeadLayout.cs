namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Where heads lie in rows of the linears, <c>[T, kv·slots·head_dim]</c>, T = rows·columns, and as what: as kernels want them,
/// <c>[rows·kv, positions·width, head_dim]</c>, those of a segment that share a key head together.
/// </summary>
/// <param name="Segment">The segment.</param>
/// <param name="Columns">Columns of the microbatch.</param>
/// <param name="KeyHeads">Key heads.</param>
/// <param name="Width">Heads of one key head: 1, or of queries the group.</param>
/// <param name="HeadDim">Elements of a head.</param>
internal readonly record struct HeadLayout(Segment Segment, int Columns, int KeyHeads, int Width, int HeadDim)
{
    /// <summary>Heads that lie in a row for each key head: more than are meant where one linear makes others beside them.</summary>
    internal int Slots { get; init; } = Width;

    /// <summary>The first of them that is meant.</summary>
    internal int Slot { get; init; }

    /// <summary>The first position of the segment.</summary>
    internal int First { get; private init; }

    /// <summary>Positions from there on.</summary>
    internal int Count { get; private init; } = Segment.Length;

    internal long[] Shape => [(long)Segment.Rows * KeyHeads, (long)Count * Width, HeadDim];

    /// <summary>Of these positions of the segment alone.</summary>
    internal HeadLayout Positions(int first, int count) => this with { First = first, Count = count };
}
