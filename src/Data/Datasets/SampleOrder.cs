namespace Peft.Orleans.Data.Datasets;

/// <summary>Which sample stands where in each epoch: a pure function of seed and epoch. Safe to use from several threads.</summary>
internal sealed class SampleOrder(long seed, int samples, bool shuffle)
{
    // Keeps the shuffles of samples apart from those of other things drawn from the same seed.
    private const ulong Stream = 0x4F52444552;
    private readonly Lock gate = new();
    private readonly Dictionary<int, int[]> recent = [];

    /// <summary>The sample at a place of an epoch (both from 0).</summary>
    public int At(int epoch, int place)
    {
        if (!shuffle) return place;
        lock (gate)
        {
            if (!recent.TryGetValue(epoch, out var order))
            {
                // Two are kept: a batch may reach over the border of two epochs.
                if (recent.Count > 1) recent.Clear();
                recent[epoch] = order = new SplitMix64((ulong)seed, Stream, (ulong)epoch).Permutation(samples);
            }

            return order[place];
        }
    }
}
