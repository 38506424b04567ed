using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>One way to compute causal attention, segment by segment; README.md beside this says which is taken when.</summary>
internal interface IAttentionKernel : IDisposable
{
    /// <summary>Positions of the longest segment that it takes.</summary>
    int LongestSegment { get; }

    /// <summary>A segment's heads; with <paramref name="angles"/> queries and keys are turned. In the caller's scope.</summary>
    SegmentHeads Gather(AttentionRows rows, Segment segment, Angles? angles);

    /// <summary>
    /// Writes softmax(scale · Q Kᵀ) V over the keys that each query sees to the segment's part of <paramref name="output"/>
    /// <c>[T, heads·head_dim]</c>.
    /// </summary>
    void Forward(SegmentHeads heads, Tensor output, int columns);

    /// <summary>
    /// Writes the segment's part of the <paramref name="gradients"/> of the rows that <see cref="Gather"/> was given; probabilities are
    /// computed again. <paramref name="output"/> is the forward pass's result, <paramref name="dOutput"/> its gradient.
    /// </summary>
    void Backward(SegmentHeads heads, Angles? angles, Tensor output, Tensor dOutput, AttentionRows gradients);
}

internal static class AttentionKernels
{
    /// <summary>The fastest of our own for this shape, type and device; null where only <see cref="TensorAttention"/> can do it.</summary>
    internal static IAttentionKernel? Fastest(AttentionShape shape, ScalarType type, Device device) =>
        !HeadLoops.Fit(shape, type, device) ? null
        : PackedAttention.Fit(shape, type) ? new PackedAttention(shape, TorchRuntime.Threads)
        : BlockedAttention.Fit(type) ? new BlockedAttention(shape, TorchRuntime.Threads)
        : new BatchedAttention(shape);
}
