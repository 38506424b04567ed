namespace Peft.Orleans.Data.Datasets;

/// <summary>Every row once an epoch, in its own order or shuffled.</summary>
/// <param name="seed">Seed of the shuffles.</param>
/// <param name="rows">Number of rows.</param>
/// <param name="shuffle">Whether each epoch has an order of its own; else all have that of the data.</param>
/// <param name="source">Which of several sources that are mixed, from 1; 0: all rows together.</param>
internal sealed class SampleOrder(long seed, int rows, bool shuffle, int source = 0) : RowOrder
{
    // Keeps the shuffles of samples apart from those of other things drawn from the same seed.
    private const ulong Stream = 0x4F52444552;
    private readonly Lock gate = new();
    private readonly Dictionary<int, int[]> recent = [];

    /// <inheritdoc/>
    public override int PerEpoch => rows;

    /// <inheritdoc/>
    public override int At(int epoch, int place)
    {
        if (!shuffle) return place;
        lock (gate)
        {
            if (!recent.TryGetValue(epoch, out var order))
            {
                // Two are kept: a batch may reach over the border of two epochs.
                if (recent.Count > 1) recent.Clear();
                var random = source == 0
                    ? new SplitMix64((ulong)seed, Stream, (ulong)epoch)
                    : new SplitMix64((ulong)seed, Stream, (ulong)epoch, (ulong)source);
                recent[epoch] = order = random.Permutation(rows);
            }

            return order[place];
        }
    }
}
