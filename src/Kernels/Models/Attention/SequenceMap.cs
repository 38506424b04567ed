using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Loops.Attention;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>How a microbatch falls into segments.</summary>
internal static class SequenceMap
{
    /// <summary>
    /// Rows with one sample are one segment together: padding is on the right, where causal attention never looks back from. Packed rows
    /// are cut by samples; their padding is a segment of its own, so that it stays finite.
    /// </summary>
    /// <param name="batch">The microbatch.</param>
    /// <param name="alone">Whether rows with one sample are cut likewise.</param>
    internal static IReadOnlyList<Segment> Of(BatchShape batch, bool alone)
    {
        if (!alone && batch.SampleLengths.All(static lengths => lengths.Length <= 1)) return [new Segment(0, batch.Rows, 0, batch.Columns)];
        var segments = new List<Segment>();
        for (var row = 0; row < batch.Rows; row++)
        {
            var start = 0;
            foreach (var length in batch.SampleLengths[row])
            {
                if (length > 0) segments.Add(new Segment(row, 1, start, length));
                start += length;
            }

            if (start < batch.Columns) segments.Add(new Segment(row, 1, start, batch.Columns - start));
        }

        return segments;
    }
}
