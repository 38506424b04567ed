using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Causal attention by libtorch's products over all heads, a block of queries after the other, with our own loops in place between them: no
/// mask, no fp32 copies of scores, no permuted copies.
/// </summary>
internal sealed class BatchedAttention(AttentionShape shape) : IAttentionKernel
{
    /// <summary>Positions of a block of queries, whose scores skip the keys after it.</summary>
    private const int QueryBlock = 128;

    /// <summary>
    /// Sequences from here on go in blocks of twice as many queries: what each block does to all keys before it costs more than the masked
    /// half that it skips.
    /// </summary>
    private const int Long = 1024;

    public int LongestSegment => AttentionLoops.LongestRow;

    public SegmentHeads Gather(AttentionRows rows, Segment segment, Angles? angles) => HeadLoops.Gather(rows, shape, segment, angles);

    public void Forward(SegmentHeads heads, Tensor output, int columns)
    {
        var (segment, queries, keys, values) = heads;
        var layout = shape.Output(segment, columns);
        var block = BlockOf(segment.Length);
        for (var first = 0; first < segment.Length; first += block)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(block, segment.Length - first);
            var from = shape.FirstSeen(first);
            var seen = first + count - from;
            var p = Probabilities(Part(queries, first, count), Part(keys, from, seen, 1), first, from);
            HeadLoops.Scatter(p.bmm(Part(values, from, seen, 1)), output, layout.Positions(first, count), null, 1);
        }
    }

    public void Backward(SegmentHeads heads, Angles? angles, Tensor output, Tensor dOutput, AttentionRows gradients)
    {
        var (segment, queries, keys, values) = heads;
        var layout = shape.Queries(segment, gradients.Columns);
        var (dHeads, deltas) = HeadLoops.GatherGradient(dOutput, output, shape.Output(segment, gradients.Columns));
        var block = BlockOf(segment.Length);
        var single = segment.Length <= block;
        var (dKeys, dValues) = single ? (null, null) : (zeros(keys.shape, ScalarType.Float32), zeros(values.shape, ScalarType.Float32));
        for (var first = 0; first < segment.Length; first += block)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(block, segment.Length - first);
            var from = shape.FirstSeen(first);
            var seen = first + count - from;
            var (q, d) = (Part(queries, first, count), Part(dHeads, first, count));
            var (k, v) = (Part(keys, from, seen, 1), Part(values, from, seen, 1));
            var p = Probabilities(q, k, first, from);
            var dS = d.bmm(v.transpose(1, 2));
            AttentionLoops.Backward(dS, p, deltas, (long)first * shape.Group);
            HeadLoops.Scatter(dS.bmm(k), gradients.Queries, layout.Positions(first, count), angles, shape.Scale);
            var (dkBlock, dvBlock) = (dS.transpose(1, 2).bmm(q), p.transpose(1, 2).bmm(d));
            if (single)
            {
                (dKeys, dValues) = (dkBlock.MoveToOuterDisposeScope(), dvBlock.MoveToOuterDisposeScope());
                continue;
            }

            dKeys!.narrow(1, from, seen).add_(dkBlock, One);
            dValues!.narrow(1, from, seen).add_(dvBlock, One);
        }

        HeadLoops.Scatter(dKeys!, gradients.Keys, shape.Keys(segment, gradients.Columns), angles, shape.Scale);
        HeadLoops.Scatter(dValues!, gradients.Values, shape.Values(segment, gradients.Columns), null, 1);
    }

    public void Dispose()
    {
    }

    private static int BlockOf(int length) => length < Long ? QueryBlock : 2 * QueryBlock;

    private Tensor Probabilities(Tensor queries, Tensor keys, int first, int from)
    {
        var scores = queries.bmm(keys.transpose(1, 2));
        AttentionLoops.Softmax(scores, first, from, new ScoreRule(shape));
        return scores;
    }

    private Tensor Part(Tensor heads, int first, int count) => Part(heads, first, count, shape.Group);

    /// <summary>
    /// Positions of heads, contiguous: a product copies a strided batch for each operand that it meets, and a transposed one slowly.
    /// </summary>
    private static Tensor Part(Tensor heads, int first, int count, int width) =>
        count * (long)width == heads.shape[1] ? heads : heads.narrow(1, (long)first * width, (long)count * width).contiguous();
}
