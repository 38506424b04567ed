using System.IO.Hashing;
using System.Runtime.InteropServices;
using Peft.Orleans.Core.Batches;

namespace Peft.Orleans.Data.Datasets;

/// <summary>Rows of samples as a padded microbatch.</summary>
internal static class MicrobatchBuilder
{
    public static Microbatch Build(IReadOnlyList<Row> rows)
    {
        var columns = rows.Max(static row => row.Length);
        var ids = new int[rows.Count * columns];
        var labels = new int[ids.Length];
        Array.Fill(labels, Microbatch.Masked);
        for (var row = 0; row < rows.Count; row++)
        {
            var at = row * columns;
            foreach (var sample in rows[row].Samples)
            {
                sample.Ids.CopyTo(ids, at);
                sample.Labels.CopyTo(labels, at);
                at += sample.Ids.Length;
            }
        }

        int[][] lengths = [.. rows.Select(static row => Array.ConvertAll(row.Samples, static sample => sample.Ids.Length))];
        return new Microbatch
        {
            Rows = rows.Count,
            Columns = columns,
            InputIds = ids,
            Labels = labels,
            SampleLengths = lengths,
            ContentHash = Hash(columns, ids, labels, lengths),
        };
    }

    private static string Hash(int columns, int[] ids, int[] labels, int[][] lengths)
    {
        var hash = new XxHash128();
        hash.Append(MemoryMarshal.AsBytes<int>([lengths.Length, columns]));
        hash.Append(MemoryMarshal.AsBytes<int>(ids));
        hash.Append(MemoryMarshal.AsBytes<int>(labels));
        foreach (var row in lengths)
        {
            hash.Append(MemoryMarshal.AsBytes<int>([row.Length]));
            hash.Append(MemoryMarshal.AsBytes<int>(row));
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
