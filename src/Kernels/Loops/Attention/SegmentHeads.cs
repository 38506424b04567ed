using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Queries <c>[T, heads·head_dim]</c>, keys and values <c>[T, kv·head_dim]</c> as linears make them, or their gradients; T = rows·columns
/// of the microbatch.
/// </summary>
internal readonly record struct AttentionRows(Tensor Queries, Tensor Keys, Tensor Values, int Columns);

/// <summary>Rotary angles of a segment's positions: fp32 <c>[L, head_dim / 2]</c>.</summary>
internal readonly record struct Angles(Tensor Cos, Tensor Sin);

/// <summary>
/// A segment by heads: queries <c>[rows·kv, L·group, head_dim]</c>, keys and values <c>[rows·kv, L, head_dim]</c>; of the queries of a key
/// head, row t·group + j is query head j at position t.
/// </summary>
internal sealed record SegmentHeads(Segment Segment, Tensor Queries, Tensor Keys, Tensor Values) : IDisposable
{
    internal long Bytes => (Queries.numel() + Keys.numel() + Values.numel()) * Queries.element_size();

    /// <summary>This, outliving the scope it was made in.</summary>
    internal SegmentHeads Detached()
    {
        Queries.DetachFromDisposeScope();
        Keys.DetachFromDisposeScope();
        Values.DetachFromDisposeScope();
        return this;
    }

    public void Dispose()
    {
        Queries.Dispose();
        Keys.Dispose();
        Values.Dispose();
    }
}
