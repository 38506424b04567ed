namespace Peft.Orleans.Data.Datasets;

/// <summary>
/// Whose turn it is among sources with weights: of any number of first turns each source has its share, to within one. R. Tijdeman, The
/// chairman assignment problem (Discrete Mathematics 32, 1980): of the sources that are due, the one whose turn must come soonest. Safe to
/// use from several threads.
/// </summary>
internal sealed class WeightedTurns
{
    private const ulong Stream = 0x5455524E53;
    private const int Stride = 4096;

    private readonly Lock gate = new();
    private readonly double[] shares;
    private readonly int[] ranks;
    private readonly List<long[]> checkpoints;
    private long[] counts;
    private long place;

    /// <summary>Turns of sources.</summary>
    /// <param name="seed">Decides between sources that are due alike.</param>
    /// <param name="weights">Positive weights.</param>
    public WeightedTurns(long seed, IReadOnlyList<double> weights)
    {
        var total = weights.Sum();
        shares = [.. weights.Select(weight => weight / total)];
        ranks = new SplitMix64((ulong)seed, Stream).Permutation(shares.Length);
        counts = new long[shares.Length];
        checkpoints = [(long[])counts.Clone()];
    }

    /// <summary>The source at a place (from 0), and how many turns it had before.</summary>
    public (int Source, long Turn) At(long wanted)
    {
        lock (gate)
        {
            if (wanted < place || wanted / Stride > place / Stride) Jump(wanted);
            while (place < wanted) Advance();
            var source = Next();
            return (source, counts[source]);
        }
    }

    /// <summary>Number of turns after which every source had at least so many of its own.</summary>
    /// <param name="turns">Turns of each source.</param>
    /// <param name="exact">Up to so many turns in all the smallest number; beyond, one that may be some too large.</param>
    public long Until(IReadOnlyList<int> turns, long exact = 1 << 26)
    {
        var enough = shares.Zip(turns, static (share, count) => (long)Math.Ceiling(count / share) + 1).Max();
        if (enough > exact + 1) return enough;
        lock (gate)
        {
            Jump(0);
            while (counts.Zip(turns).Any(static pair => pair.First < pair.Second)) Advance();
            return place;
        }
    }

    private void Jump(long wanted)
    {
        var at = (int)Math.Min(wanted / Stride, checkpoints.Count - 1);
        counts = (long[])checkpoints[at].Clone();
        place = (long)at * Stride;
    }

    private void Advance()
    {
        counts[Next()]++;
        place++;
        if (place % Stride == 0 && place / Stride == checkpoints.Count) checkpoints.Add((long[])counts.Clone());
    }

    private int Next()
    {
        if (shares.Length == 1) return 0;
        var slack = 1.0 / (2 * shares.Length - 2);
        var (best, soonest) = (-1, double.PositiveInfinity);
        for (var i = 0; i < shares.Length; i++)
        {
            var owed = shares[i] * (place + 1) - counts[i];
            if (owed < slack) continue;
            var left = (1 - slack - owed) / shares[i];
            if (left < soonest || (left == soonest && ranks[i] < ranks[best])) (best, soonest) = (i, left);
        }

        return best;
    }
}
