namespace Peft.Orleans.Data.Datasets;

/// <summary>Puts several samples into one row, without attention across them.</summary>
internal static class Packing
{
    /// <summary>One sample a row.</summary>
    public static Row[] None(IReadOnlyList<Sample> samples) => [.. samples.Select(static sample => new Row([sample]))];

    /// <summary>
    /// Best fit, longest first: each sample goes into the fullest row that still has room. Rows are ordered by their first sample, samples
    /// in a row too, so that the result depends on the data alone.
    /// </summary>
    public static Row[] BestFit(IReadOnlyList<Sample> samples, int maxLength)
    {
        var rows = new List<List<int>>();
        var rowsByRoom = new Dictionary<int, Stack<int>>();
        var rooms = new SortedSet<int>();
        foreach (var (i, sample) in samples.Index().OrderByDescending(static item => item.Item.Ids.Length))
        {
            var length = sample.Ids.Length;
            var fitting = rooms.GetViewBetween(length, maxLength);
            var room = fitting.Count > 0 ? fitting.Min : maxLength;
            int row;
            if (fitting.Count > 0)
            {
                row = rowsByRoom[room].Pop();
                if (rowsByRoom[room].Count == 0) rooms.Remove(room);
            }
            else
            {
                row = rows.Count;
                rows.Add([]);
            }

            rows[row].Add(i);
            if (!rowsByRoom.TryGetValue(room - length, out var roomy)) rowsByRoom[room - length] = roomy = [];
            roomy.Push(row);
            rooms.Add(room - length);
        }

        return [.. rows
            .Select(static row => row.Order().ToArray())
            .OrderBy(static row => row[0])
            .Select(row => new Row([.. row.Select(i => samples[i])]))];
    }
}
