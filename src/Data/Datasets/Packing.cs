namespace Peft.Orleans.Data.Datasets;

/// <summary>Puts several samples into one row, without attention across them.</summary>
internal static class Packing
{
    /// <summary>
    /// Best fit, longest first: each sample goes into the fullest row that still has room. Rows are ordered by their first sample, samples
    /// in a row too, so that the result depends on the data alone.
    /// </summary>
    /// <param name="samples">The samples' numbers, in order.</param>
    /// <param name="lengths">Their tokens.</param>
    /// <param name="maxLength">Most tokens of a row.</param>
    public static RowTable BestFit(int[] samples, int[] lengths, int maxLength)
    {
        var rowOf = new int[samples.Length];
        // The rows of one room are a stack: the last that came to it, and below each row the one before it.
        var last = new Dictionary<int, int>();
        var below = new List<int>();
        var rooms = new SortedSet<int>();
        foreach (var i in LongestFirst(lengths))
        {
            var length = lengths[i];
            // No sample is empty: a room of 0 means that none fits.
            var room = rooms.GetViewBetween(length, maxLength).Min;
            int row;
            if (room > 0)
            {
                row = last[room];
                if (below[row] >= 0)
                {
                    last[room] = below[row];
                }
                else
                {
                    last.Remove(room);
                    rooms.Remove(room);
                }
            }
            else
            {
                room = maxLength;
                row = below.Count;
                below.Add(-1);
            }

            rowOf[i] = row;
            below[row] = last.GetValueOrDefault(room - length, -1);
            last[room - length] = row;
            rooms.Add(room - length);
        }

        return Ordered(samples, rowOf, below.Count);
    }

    /// <summary>Positions by length, the longest first; of one length the first first.</summary>
    private static int[] LongestFirst(int[] lengths)
    {
        var (order, keys) = (new int[lengths.Length], new long[lengths.Length]);
        for (var i = 0; i < order.Length; i++) (order[i], keys[i]) = (i, ((long)(int.MaxValue - lengths[i]) << 32) | (uint)i);
        Array.Sort(keys, order);
        return order;
    }

    private static RowTable Ordered(int[] samples, int[] rowOf, int rows)
    {
        // The first sample of a row that comes gives it its number.
        var numbers = new int[rows];
        Array.Fill(numbers, -1);
        var (seen, starts) = (0, new int[rows + 1]);
        foreach (var row in rowOf)
        {
            if (numbers[row] < 0) numbers[row] = seen++;
            starts[numbers[row] + 1]++;
        }

        for (var row = 0; row < rows; row++) starts[row + 1] += starts[row];
        var (next, members) = (starts[..rows], new int[samples.Length]);
        for (var i = 0; i < rowOf.Length; i++) members[next[numbers[rowOf[i]]]++] = samples[i];
        return RowTable.Several(members, starts);
    }
}
