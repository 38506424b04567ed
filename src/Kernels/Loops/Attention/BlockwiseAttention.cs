using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>What kernels have in common that go through a segment block by block, each on one thread with memory of its own.</summary>
internal abstract class BlockwiseAttention(AttentionShape shape) : IAttentionKernel
{
    /// <summary>
    /// How many units of work a backward pass wants at least, and how many parts of a head it takes to have them: all parts add to the
    /// gradient of the same keys, so each has a sum of its own. Not as many as there are threads: sums in another order have other bits.
    /// </summary>
    private const int Units = 32, MostParts = 4;

    public int LongestSegment => AttentionLoops.LongestRow;

    protected AttentionShape Shape => shape;

    public SegmentHeads Gather(AttentionRows rows, Segment segment, Angles? angles) => HeadLoops.Gather(rows, shape, segment, angles);

    public void Forward(SegmentHeads heads, Tensor output, int columns)
    {
        using var scope = NewDisposeScope();
        HeadLoops.Scatter(Attend(heads), output, shape.Output(heads.Segment, columns), null, 1);
    }

    public void Backward(SegmentHeads heads, Angles? angles, Tensor output, Tensor dOutput, AttentionRows gradients)
    {
        var (segment, columns) = (heads.Segment, gradients.Columns);
        var (dHeads, deltas) = HeadLoops.GatherGradient(dOutput, output, shape.Output(segment, columns));
        using var scope = NewDisposeScope();
        var (dQueries, dKeys, dValues) = Differentiate(heads, dHeads, deltas);
        HeadLoops.Scatter(dQueries, gradients.Queries, shape.Queries(segment, columns), angles, shape.Scale);
        HeadLoops.Scatter(dKeys, gradients.Keys, shape.Keys(segment, columns), angles, shape.Scale);
        HeadLoops.Scatter(dValues, gradients.Values, shape.Values(segment, columns), null, 1);
    }

    public void Dispose()
    {
    }

    /// <summary>
    /// softmax(scale · Q Kᵀ) V over the keys that each query sees, fp32 <c>[B, L·group, head_dim]</c>, B = rows·kv. In the caller's scope.
    /// </summary>
    internal abstract Tensor Attend(SegmentHeads heads);

    /// <summary>
    /// Gradients of queries, keys and values, fp32, those of queries and keys still to be multiplied by the scale; δ = ⟨o, do⟩ of each
    /// query in <paramref name="deltas"/>. In the caller's scope.
    /// </summary>
    internal abstract (Tensor Queries, Tensor Keys, Tensor Values) Differentiate(SegmentHeads heads, Tensor dOutput, Tensor deltas);

    /// <summary>Parts of a head in a backward pass over <paramref name="batch"/> heads of so many blocks.</summary>
    protected static int PartsOf(int batch, int blocks) => Math.Clamp((Units + batch - 1) / batch, 1, Math.Min(MostParts, blocks));
}
