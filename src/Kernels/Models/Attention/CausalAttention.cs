using System.Diagnostics;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Loops.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>
/// A decoder block's attention over heads, as families share it: rotary positions where there are any, the segments of a microbatch, a
/// cache while text is generated. The kernel for segments is chosen here, once; a segment longer than it takes, and a cache, go to
/// <see cref="TensorAttention"/>.
/// </summary>
/// <param name="shape">The block's heads.</param>
/// <param name="rotary">Angles of the positions, or null; disposed of with this.</param>
/// <param name="type">Type of queries, keys and values.</param>
/// <param name="device">Where they lie.</param>
internal sealed class CausalAttention(AttentionShape shape, RotaryTable? rotary, ScalarType type, Device device) : IDisposable
{
    private readonly IAttentionKernel? fastest = AttentionKernels.Fastest(shape, type, device);
    private readonly TensorAttention tensors = new(shape, device);

    /// <summary>
    /// How a microbatch falls into segments. Where angles depend on a sequence's length, each row is one of its own, without its padding:
    /// what a sample gives does not depend on those beside it.
    /// </summary>
    internal IReadOnlyList<Segment> Segments(BatchShape batch) => SequenceMap.Of(batch, rotary?.DependsOnLength(batch.Columns) == true);

    /// <summary>
    /// q <c>[T, heads·head_dim]</c>, k and v <c>[T, kv·head_dim]</c>, T = rows·columns → <c>[T, heads·head_dim]</c>; where the shape is
    /// fused all three are the same rows, <c>[T, kv·(group + 2)·head_dim]</c>.
    /// </summary>
    internal Tensor Forward(Tensor q, Tensor k, Tensor v, int rows, IReadOnlyList<Segment> segments, List<SegmentHeads>? saved)
    {
        using var scope = NewDisposeScope();
        var flat = Rows(q, k, v, rows);
        var output = empty([q.shape[0], (long)shape.Heads * shape.HeadDim], q.dtype, device);
        foreach (var segment in segments)
        {
            using var inner = NewDisposeScope();
            var heads = Heads(flat, segment);
            KernelOf(segment).Forward(heads, output, flat.Columns);
            saved?.Add(heads.Detached());
        }

        return output.MoveToOuterDisposeScope();
    }

    /// <summary>What <see cref="Forward"/> kept of a segment, once more from the same q, k and v. In the caller's scope.</summary>
    internal SegmentHeads Heads(Tensor q, Tensor k, Tensor v, int rows, Segment segment) => Heads(Rows(q, k, v, rows), segment);

    /// <summary>As <see cref="Forward"/> for new tokens at the end of a cache; q <c>[rows·new, heads·head_dim]</c>.</summary>
    internal Tensor ForwardCached(Tensor q, Tensor k, Tensor v, int rows, KeyValueCache cache)
    {
        using var scope = NewDisposeScope();
        var flat = Rows(q, k, v, rows);
        var (length, offset) = (flat.Columns, cache.Length);
        var segment = new Segment(0, rows, 0, length);
        var heads = tensors.Gather(flat, segment, rotary?.At(offset, length));
        var perRow = new long[] { rows, shape.KeyHeads, length, shape.HeadDim };
        var (keys, values) = cache.Append(heads.Keys.view(perRow), heads.Values.view(perRow), shape.Window);
        var padding = cache.PaddingScores(shape.KeyHeads, device);
        // What was dropped no query sees: positions count from the first that is held, and the products are the same.
        var attended = tensors.Attend(heads.Queries, keys.flatten(0, 1), values.flatten(0, 1), offset - cache.First, padding);
        return attended.view(rows, shape.KeyHeads, length, shape.Group, shape.HeadDim)
            .permute(0, 2, 1, 3, 4).reshape(rows * length, -1).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Gradients of q, k, v in their layouts, one of all where they are fused; <paramref name="output"/> is the forward pass's result. In
    /// the caller's scope.
    /// </summary>
    internal (Tensor Q, Tensor K, Tensor V) Backward(IReadOnlyList<SegmentHeads> saved, Tensor output, Tensor dOutput, int rows)
    {
        var (tokens, width) = (dOutput.shape[0], (long)shape.KeyHeads * shape.HeadDim);
        var dq = empty([tokens, shape.Fused ? (shape.Group + 2) * width : shape.Group * width], dOutput.dtype, device);
        var dk = shape.Fused ? dq : empty([tokens, width], dOutput.dtype, device);
        var dv = shape.Fused ? dq : empty([tokens, width], dOutput.dtype, device);
        var gradients = Rows(dq, dk, dv, rows);
        foreach (var heads in saved)
        {
            using var inner = NewDisposeScope();
            KernelOf(heads.Segment).Backward(heads, rotary?.Of(heads.Segment.Length), output, dOutput, gradients);
        }

        return (dq, dk, dv);
    }

    public void Dispose()
    {
        rotary?.Dispose();
        fastest?.Dispose();
        tensors.Dispose();
    }

    private SegmentHeads Heads(AttentionRows rows, Segment segment) =>
        KernelOf(segment).Gather(rows, segment, rotary?.Of(segment.Length));

    private IAttentionKernel KernelOf(Segment segment) =>
        fastest is not null && segment.Length <= fastest.LongestSegment ? fastest : tensors;

    private AttentionRows Rows(Tensor q, Tensor k, Tensor v, int rows) => q.dtype == type
        ? new AttentionRows(q, k, v, (int)(q.shape[0] / rows))
        : throw new UnreachableException($"attention made for {type} was given {q.dtype}");
}
