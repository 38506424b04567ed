namespace Peft.Orleans.Data.Datasets;

/// <summary>Which samples are in which row, by number: four bytes a sample, and nothing where every sample is a row.</summary>
internal sealed class RowTable
{
    private readonly int first;
    private readonly int[]? samples;
    private readonly int[]? starts;

    private RowTable(int first, int count, int[]? samples, int[]? starts)
    {
        (this.first, Count, this.samples, this.starts) = (first, count, samples, starts);
    }

    /// <summary>Number of rows.</summary>
    public int Count { get; }

    /// <summary>A row per sample, of samples that follow each other.</summary>
    public static RowTable OneEach(int first, int count) => new(first, count, null, null);

    /// <summary>A row per sample.</summary>
    public static RowTable OneEach(int[] samples) => new(0, samples.Length, samples, null);

    /// <summary>Rows of several samples.</summary>
    /// <param name="samples">The samples of all rows, one row after the other.</param>
    /// <param name="starts">Where each row begins among them, and the end of the last one.</param>
    public static RowTable Several(int[] samples, int[] starts) => new(0, starts.Length - 1, samples, starts);

    /// <summary>The rows of several tables, numbered through.</summary>
    public static RowTable Join(IReadOnlyList<RowTable> tables)
    {
        if (tables.Count == 1) return tables[0];
        if (tables.All(static table => table.samples is null) && tables.Zip(tables.Skip(1)).All(static pair =>
            pair.First.first + pair.First.Count == pair.Second.first))
            return OneEach(tables[0].first, tables.Sum(static table => table.Count));
        var (samples, starts) = (new List<int>(), new List<int> { 0 });
        foreach (var table in tables)
        {
            for (var row = 0; row < table.Count; row++)
            {
                for (var i = 0; i < table.SizeOf(row); i++) samples.Add(table[row, i]);
                starts.Add(samples.Count);
            }
        }

        return Several([.. samples], [.. starts]);
    }

    /// <summary>A sample of a row.</summary>
    public int this[int row, int i] => samples is null ? first + row + i : samples[(starts is null ? row : starts[row]) + i];

    /// <summary>Samples of a row.</summary>
    public int SizeOf(int row) => starts is null ? 1 : starts[row + 1] - starts[row];
}
