using CsCheck;
using Peft.Orleans.Data.Datasets;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Rows of several samples.</summary>
public sealed class PackingTests
{
    [Fact]
    public void RowsAreThoseOfTheRuleTakenByItsWords() =>
        Gen.Select(Gen.Int[1, 30], Gen.Int[0, 60])
            .SelectMany(static (most, count) => Gen.Select(Gen.Const(most), Gen.Int[1, most].Array[count]))
            .Sample(
                static (most, lengths) =>
                {
                    int[] samples = [.. Enumerable.Range(0, lengths.Length).Select(static i => i * 3)];
                    var table = Packing.BestFit(samples, lengths, most);
                    var rows = Enumerable.Range(0, table.Count)
                        .Select(row => Enumerable.Range(0, table.SizeOf(row)).Select(i => table[row, i] / 3).ToArray());
                    Assert.Equal(ByItsWords(lengths, most), rows);
                },
                iter: 500,
                threads: 1);

    [Fact]
    public void RowsOfSeveralTablesAreNumberedThrough()
    {
        var packed = RowTable.Several([4, 6, 5], [0, 2, 3]);
        var joined = RowTable.Join([RowTable.OneEach(0, 2), packed, RowTable.OneEach([9])]);
        Assert.Equal([1, 1, 2, 1, 1], Enumerable.Range(0, joined.Count).Select(joined.SizeOf));
        Assert.Equal([0, 1, 4, 5, 9], Enumerable.Range(0, joined.Count).Select(row => joined[row, 0]));
        Assert.Equal(6, joined[2, 1]);
        var following = RowTable.Join([RowTable.OneEach(3, 2), RowTable.OneEach(5, 1)]);
        Assert.Equal([3, 4, 5], Enumerable.Range(0, 3).Select(row => following[row, 0]));
    }

    /// <summary>Longest first; each into the fullest row with room, of those the one that came to its room last.</summary>
    private static int[][] ByItsWords(int[] lengths, int most)
    {
        var rows = new List<(List<int> Samples, int Room, int Since)>();
        var time = 0;
        foreach (var (i, length) in lengths.Index().OrderByDescending(static item => item.Item))
        {
            var fitting = rows.Index().Where(row => row.Item.Room >= length).ToArray();
            if (fitting.Length == 0) rows.Add(([i], most - length, time++));
            else
            {
                var (at, row) = fitting.OrderBy(static row => row.Item.Room).ThenByDescending(static row => row.Item.Since).First();
                row.Samples.Add(i);
                rows[at] = (row.Samples, row.Room - length, time++);
            }
        }

        return [.. rows.Select(static row => row.Samples.Order().ToArray()).OrderBy(static row => row[0])];
    }
}
