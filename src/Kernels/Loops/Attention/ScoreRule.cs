using System.Runtime.CompilerServices;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>What becomes of scores before they are probabilities, as loops read it of an <see cref="AttentionShape"/>.</summary>
internal readonly unsafe struct ScoreRule(AttentionShape shape)
{
    private readonly float* slopes = shape.Slopes is { } alibi ? alibi.Pointer : null;
    private readonly int keyHeads = shape.KeyHeads;
    private readonly int window = shape.Window;

    /// <summary>Factor of the scores.</summary>
    internal readonly float Scale = shape.Scale;

    /// <summary>Query heads of a key head: row i of a block is query head i mod this.</summary>
    internal readonly int Group = shape.Group;

    /// <summary>Whether there are slopes.</summary>
    internal bool IsBiased => slopes != null;

    /// <summary>Whether queries see less than everything before them.</summary>
    internal bool IsWindowed => window != int.MaxValue;

    /// <summary>The first key that a query at a position sees.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int FirstSeen(int position) => Math.Max(0, position - window + 1);

    /// <summary>
    /// The slope, where there are some, of a row of batch <paramref name="head"/> = row of the microbatch · key heads + key head.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal float Slope(int head, int row) => slopes[(head % keyHeads * Group) + (row % Group)];
}
