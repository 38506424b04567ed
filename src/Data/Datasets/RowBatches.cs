using System.Collections;
using Peft.Orleans.Core.Batches;

namespace Peft.Orleans.Data.Datasets;

/// <summary>Rows in their order as microbatches, each made when it is asked for.</summary>
/// <param name="rows">The rows.</param>
/// <param name="size">Rows of a microbatch; the last one may have fewer.</param>
/// <param name="row">A row by its number.</param>
internal sealed class RowBatches(RowTable rows, int size, Func<RowTable, int, Row> row) : IReadOnlyList<Microbatch>
{
    /// <inheritdoc/>
    public int Count => (int)((rows.Count + (long)size - 1) / size);

    /// <inheritdoc/>
    public Microbatch this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            var first = index * size;
            var taken = new Row[Math.Min(size, rows.Count - first)];
            for (var i = 0; i < taken.Length; i++) taken[i] = row(rows, first + i);
            return MicrobatchBuilder.Build(taken);
        }
    }

    /// <inheritdoc/>
    public IEnumerator<Microbatch> GetEnumerator()
    {
        for (var i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
