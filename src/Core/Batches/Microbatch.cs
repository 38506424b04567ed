namespace Peft.Orleans.Core.Batches;

/// <summary>
/// Token ids and labels of one microbatch: a pure function of (run file, step, index). Rows are padded on the right to a common length;
/// a row holds one sample, or several where samples are packed (no attention across them, positions restart at 0).
/// </summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.Microbatch")]
public sealed record Microbatch : BatchShape
{
    /// <summary>Label of a position that is not learned.</summary>
    public const int Masked = -100;

    /// <summary>Token ids, row by row, <c>Rows × Columns</c>; padding is 0.</summary>
    [Id(0)] public required int[] InputIds { get; init; }

    /// <summary>Labels, unshifted (position t predicts label t+1 of its own sample); <see cref="Masked"/> where not learned.</summary>
    [Id(1)] public required int[] Labels { get; init; }

    /// <summary>XxHash128 of ids, labels and lengths, in hexadecimal: the identity of the trained data.</summary>
    [Id(2)] public required string ContentHash { get; init; }

    /// <summary>
    /// Labels shifted left by one within each sample: entry t is the target predicted at position t, or <see cref="Masked"/>.
    /// <c>Rows × Columns</c>.
    /// </summary>
    public int[] Targets()
    {
        var targets = new int[InputIds.Length];
        Array.Fill(targets, Masked);
        for (var row = 0; row < Rows; row++)
        {
            var start = row * Columns;
            foreach (var length in SampleLengths[row])
            {
                for (var t = 0; t + 1 < length; t++) targets[start + t] = Labels[start + t + 1];
                start += length;
            }
        }

        return targets;
    }

    /// <summary>What the coordinator has to know of it.</summary>
    public BatchOutline Outline() => new(WithoutContent(), TargetTokens, ContentHash);

    /// <summary>Number of learned tokens.</summary>
    public int TargetTokens => Targets().Count(static t => t != Masked);
}
