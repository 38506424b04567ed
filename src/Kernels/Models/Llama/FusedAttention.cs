using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>
/// The training pass of <see cref="CausalAttention"/> with our own loops in place between the products: no mask, no fp32 copies of scores, no
/// permuted copies. It goes block by block, in <see cref="PackedAttention"/> on processors with AVX-512 and else in fp32 in <see cref="AttentionBlocks"/>; where neither
/// fits, by libtorch's products over all heads.
/// </summary>
internal sealed class FusedAttention(int keyHeads, int group, int headDim, float scale, int queryBlock)
{
    /// <summary>Sequences from here on go in blocks of twice as many queries: what each block does to all keys before it costs more than the masked half that it skips.</summary>
    private const int Long = 1024;

    internal bool Fits(Tensor q, int length) => Lanes.Fit(q, headDim / 2) && headDim % 2 == 0 && length <= AttentionLoops.LongestRow;

    /// <summary>A segment's heads; q, k, v are <c>[T, heads·head_dim]</c>, T = rows·columns.</summary>
    internal SavedSegment Heads(Tensor q, Tensor k, Tensor v, int columns, Segment segment, Tensor cos, Tensor sin) => new(
        segment,
        HeadLayout.Gather(q, columns, segment, keyHeads, group, headDim, cos, sin),
        HeadLayout.Gather(k, columns, segment, keyHeads, 1, headDim, cos, sin),
        HeadLayout.Gather(v, columns, segment, keyHeads, 1, headDim, null, null));

    /// <summary>Writes a segment of <paramref name="output"/> <c>[T, heads·head_dim]</c>.</summary>
    internal void Forward(SavedSegment heads, Tensor output, int columns)
    {
        var (segment, queries, keys, values) = heads;
        if (PackedAttention.Fit(queries) || AttentionBlocks.Fit(queries))
        {
            using var outer = NewDisposeScope();
            var attended = PackedAttention.Fit(queries)
                ? PackedAttention.Forward(queries, keys, values, scale, TorchRuntime.Threads)
                : AttentionBlocks.Forward(queries, keys, values, scale, TorchRuntime.Threads);
            HeadLayout.Scatter(attended, output, columns, segment, 0, segment.Length, keyHeads, group, headDim, null, null, 1);
            return;
        }

        var block = BlockOf(segment.Length);
        for (var first = 0; first < segment.Length; first += block)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(block, segment.Length - first);
            var p = Probabilities(Part(queries, first, count), Part(keys, 0, first + count, 1), first);
            HeadLayout.Scatter(p.bmm(Part(values, 0, first + count, 1)), output, columns, segment, first, count, keyHeads, group, headDim, null, null, 1);
        }
    }

    /// <summary>Writes a segment of the gradients of q, k, v.</summary>
    internal void Backward(SavedSegment saved, Tensor output, Tensor dOutput, Tensor dq, Tensor dk, Tensor dv, int columns, Tensor cos, Tensor sin)
    {
        var (segment, queries, keys, values) = saved;
        var (dOut, deltas) = HeadLayout.GatherGradient(dOutput, output, columns, segment, keyHeads, group, headDim);
        if (PackedAttention.Fit(queries) || AttentionBlocks.Fit(queries))
        {
            using var outer = NewDisposeScope();
            var (dHeads, dKeyHeads, dValueHeads) = PackedAttention.Fit(queries)
                ? PackedAttention.Backward(queries, keys, values, dOut, deltas, scale, TorchRuntime.Threads)
                : AttentionBlocks.Backward(queries, keys, values, dOut, deltas, scale, TorchRuntime.Threads);
            HeadLayout.Scatter(dHeads, dq, columns, segment, 0, segment.Length, keyHeads, group, headDim, cos, sin, scale);
            HeadLayout.Scatter(dKeyHeads, dk, columns, segment, 0, segment.Length, keyHeads, 1, headDim, cos, sin, scale);
            HeadLayout.Scatter(dValueHeads, dv, columns, segment, 0, segment.Length, keyHeads, 1, headDim, null, null, 1);
            return;
        }

        var block = BlockOf(segment.Length);
        var single = segment.Length <= block;
        var (dKeys, dValues) = single ? (null, null) : (zeros(keys.shape, ScalarType.Float32), zeros(values.shape, ScalarType.Float32));
        for (var first = 0; first < segment.Length; first += block)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(block, segment.Length - first);
            var seen = first + count;
            var (q, d) = (Part(queries, first, count), Part(dOut, first, count));
            var (k, v) = (Part(keys, 0, seen, 1), Part(values, 0, seen, 1));
            var p = Probabilities(q, k, first);
            var dS = d.bmm(v.transpose(1, 2));
            AttentionLoops.Backward(dS, p, deltas, (long)first * group);
            HeadLayout.Scatter(dS.bmm(k), dq, columns, segment, first, count, keyHeads, group, headDim, cos, sin, scale);
            var (dkBlock, dvBlock) = (dS.transpose(1, 2).bmm(q), p.transpose(1, 2).bmm(d));
            if (single)
            {
                (dKeys, dValues) = (dkBlock.MoveToOuterDisposeScope(), dvBlock.MoveToOuterDisposeScope());
                continue;
            }

            dKeys!.narrow(1, 0, seen).add_(dkBlock, One);
            dValues!.narrow(1, 0, seen).add_(dvBlock, One);
        }

        HeadLayout.Scatter(dKeys!, dk, columns, segment, 0, segment.Length, keyHeads, 1, headDim, cos, sin, scale);
        HeadLayout.Scatter(dValues!, dv, columns, segment, 0, segment.Length, keyHeads, 1, headDim, null, null, 1);
    }

    private int BlockOf(int length) => length < Long ? queryBlock : 2 * queryBlock;

    private Tensor Probabilities(Tensor queries, Tensor keys, int first)
    {
        var scores = queries.bmm(keys.transpose(1, 2));
        AttentionLoops.Softmax(scores, first, group, scale);
        return scores;
    }

    private Tensor Part(Tensor heads, int first, int count) => Part(heads, first, count, group);

    /// <summary>Positions of heads, contiguous: a product copies a strided batch for each operand that it meets, and a transposed one slowly.</summary>
    private static Tensor Part(Tensor heads, int first, int count, int width) =>
        count * (long)width == heads.shape[1] ? heads : heads.narrow(1, (long)first * width, (long)count * width).contiguous();
}
