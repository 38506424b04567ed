using Peft.Orleans.Core.Batches;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests;

/// <summary>Microbatches from token ids.</summary>
internal static class Batches
{
    internal static Microbatch Of(int[][] ids, int[][]? labels = null, int[][]? lengths = null)
    {
        var columns = ids.Max(static row => row.Length);
        int[] Flat(int[][] rows, int fill) => [.. rows.SelectMany(row => row.Concat(Enumerable.Repeat(fill, columns - row.Length)))];
        return new Microbatch
        {
            Rows = ids.Length,
            Columns = columns,
            InputIds = Flat(ids, 0),
            Labels = Flat(labels ?? ids, Microbatch.Masked),
            SampleLengths = lengths ?? [.. ids.Select(static row => new[] { row.Length })],
            ContentHash = "",
        };
    }

    /// <summary>Rows of <c>[rows, columns]</c> int64 tensors, all in one microbatch.</summary>
    internal static Microbatch Of(Tensor ids, Tensor? labels) => Of(Rows(ids), labels is null ? null : Rows(labels));

    /// <summary>One microbatch a row.</summary>
    internal static IReadOnlyList<Microbatch> EachRow(Tensor ids, Tensor labels) =>
        [.. Rows(ids).Zip(Rows(labels), static (row, label) => Of([row], [label]))];

    private static int[][] Rows(Tensor values)
    {
        using var scope = NewDisposeScope();
        var columns = (int)values.shape[^1];
        return [.. values.contiguous().view(-1).data<long>().Select(static value => (int)value).Chunk(columns)];
    }
}
