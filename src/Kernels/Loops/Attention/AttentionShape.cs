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

    /// <summary>Keys that a query sees, its own the last of them: position i sees j where 0 ≤ i − j &lt; this. Else all up to it.</summary>
    internal int Window { get; init; } = int.MaxValue;

    /// <summary>Slopes of scores over distance; null: none.</summary>
    internal AlibiSlopes? Slopes { get; init; }

    /// <summary>
    /// Whether one linear makes all: of each key head the queries, then the key, then the value, in rows
    /// <c>[T, kv·(group + 2)·head_dim]</c>.
    /// </summary>
    internal bool Fused { get; init; }

    /// <summary>The first key that the query at a position sees.</summary>
    internal int FirstSeen(int position) => Math.Max(0, position - Window + 1);

    /// <summary>Where the queries of a segment lie in rows <c>[T, heads·head_dim]</c>, T = rows · <paramref name="columns"/>.</summary>
    internal HeadLayout Queries(Segment segment, int columns) => Place(segment, columns, Group, 0);

    /// <summary>Where its keys lie in rows <c>[T, kv·head_dim]</c>.</summary>
    internal HeadLayout Keys(Segment segment, int columns) => Place(segment, columns, 1, Group);

    /// <summary>Where its values lie in rows <c>[T, kv·head_dim]</c>.</summary>
    internal HeadLayout Values(Segment segment, int columns) => Place(segment, columns, 1, Group + 1);

    /// <summary>Where its result lies in rows <c>[T, heads·head_dim]</c>.</summary>
    internal HeadLayout Output(Segment segment, int columns) => new(segment, columns, KeyHeads, Group, HeadDim);

    private HeadLayout Place(Segment segment, int columns, int width, int slot) => Fused
        ? new HeadLayout(segment, columns, KeyHeads, width, HeadDim) { Slots = Group + 2, Slot = slot }
        : new HeadLayout(segment, columns, KeyHeads, width, HeadDim);
}
