using Peft.Orleans.Core.Cluster;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Shards;

/// <summary>Chooses the next token of each row from its logits.</summary>
internal static class TokenChoice
{
    /// <summary>The most likely token, or one drawn by temperature and nucleus from a stream keyed by (seed, prompt, position).</summary>
    /// <param name="logits">fp32 <c>[rows, vocabulary]</c>.</param>
    /// <param name="sampling">Null: greedy.</param>
    internal static int[] Choose(Tensor logits, SamplingOptions? sampling)
    {
        var rows = (int)logits.shape[0];
        var vocabulary = (int)logits.shape[1];
        var values = logits.cpu().contiguous().data<float>();
        var chosen = new int[rows];
        var row = new float[vocabulary];
        for (var r = 0; r < rows; r++)
        {
            values.CopyTo(row, 0, (long)r * vocabulary);
            chosen[r] = sampling is null ? Greatest(row) : Draw(row, sampling, r);
        }

        return chosen;
    }

    private static int Greatest(ReadOnlySpan<float> row)
    {
        var best = 0;
        for (var i = 1; i < row.Length; i++)
        {
            if (row[i] > row[best]) best = i;
        }

        return best;
    }

    private static int Draw(float[] row, SamplingOptions options, int r)
    {
        var order = Enumerable.Range(0, row.Length).ToArray();
        Array.Sort(order, (a, b) => row[b] != row[a] ? row[b].CompareTo(row[a]) : a.CompareTo(b));
        var top = row[order[0]];
        var weights = new double[row.Length];
        var total = 0.0;
        for (var i = 0; i < order.Length; i++) total += weights[i] = Math.Exp((row[order[i]] - top) / options.Temperature);
        var kept = 0.0;
        var count = 0;
        while (count < order.Length)
        {
            kept += weights[count++];
            if (kept >= options.TopP * total) break;
        }

        var draw = Uniform(options.Seed, options.Rows[r], options.Position) * kept;
        for (var i = 0; i < count; i++)
        {
            draw -= weights[i];
            if (draw < 0) return order[i];
        }

        return order[count - 1];
    }

    /// <summary>SplitMix64 of the key, as a double in [0, 1): the same draw on whatever silo the head sits.</summary>
    private static double Uniform(long seed, int row, int position)
    {
        var z = unchecked((ulong)seed * 0x9E3779B97F4A7C15UL + ((ulong)(uint)row << 32) + (uint)position + 0x9E3779B97F4A7C15UL);
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        z ^= z >> 31;
        return (z >> 11) * (1.0 / (1UL << 53));
    }
}
