using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Causal attention by libtorch alone, for every shape, type, length and device, and for the new positions of a cache. The queries that
/// share a key head lie together, so that one product serves them and no key is copied; blocks of queries skip the keys after them.
/// </summary>
internal sealed class TensorAttention(AttentionShape shape, Device device) : IAttentionKernel
{
    private const int QueryBlock = 128;

    private readonly Dictionary<ScalarType, Tensor> masks = [];

    /// <summary><c>[kv, 1, group, 1]</c>.</summary>
    private readonly Tensor? slopes = shape.Slopes is { } alibi
        ? tensor(alibi.Values.ToArray(), [shape.KeyHeads, 1, shape.Group, 1], device: device).DetachFromDisposeScope()
        : null;

    public int LongestSegment => int.MaxValue;

    public SegmentHeads Gather(AttentionRows rows, Segment segment, Angles? angles)
    {
        var (queries, keys) = (shape.Queries(segment, rows.Columns), shape.Keys(segment, rows.Columns));
        var values = shape.Values(segment, rows.Columns);
        return new SegmentHeads(
            segment,
            Turned(Cut(rows.Queries, queries), angles).view(queries.Shape),
            Turned(Cut(rows.Keys, keys), angles).view(keys.Shape),
            Contiguous(Cut(rows.Values, values)).view(values.Shape));
    }

    public void Forward(SegmentHeads heads, Tensor output, int columns)
    {
        var attended = Attend(heads.Queries, heads.Keys, heads.Values, 0, null);
        Put(attended, output, shape.Output(heads.Segment, columns));
    }

    /// <summary>
    /// Attention of queries <c>[rows·kv, L·group, head_dim]</c> at positions from <paramref name="offset"/> on over the keys that each
    /// sees, <c>[rows·kv, offset + L, head_dim]</c>; <paramref name="padding"/> <c>[rows·kv, 1, offset + L]</c> is added to scores. In the
    /// caller's scope.
    /// </summary>
    internal Tensor Attend(Tensor queries, Tensor keys, Tensor values, int offset, Tensor? padding)
    {
        var (group, length) = (shape.Group, (int)queries.shape[1] / shape.Group);
        if (length <= QueryBlock) return Block(queries, 0, length);
        var output = empty(queries.shape, queries.dtype, device);
        for (var first = 0; first < length; first += QueryBlock)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(QueryBlock, length - first);
            var (row, rows) = ((long)first * group, (long)count * group);
            output.narrow(1, row, rows).copy_(Block(queries.narrow(1, row, rows), first, count));
        }

        return output;

        Tensor Block(Tensor q, int first, int count)
        {
            var from = shape.FirstSeen(offset + first);
            var seen = offset + first + count - from;
            var p = Probabilities(q, keys.narrow(1, from, seen), offset + first, count, from, padding?.narrow(2, from, seen));
            return p.bmm(values.narrow(1, from, seen));
        }
    }

    public void Backward(SegmentHeads heads, Angles? angles, Tensor output, Tensor dOutput, AttentionRows gradients)
    {
        var (segment, queries, keys, values) = heads;
        var (length, group, type) = (segment.Length, shape.Group, queries.dtype);
        var layout = shape.Output(segment, gradients.Columns);
        var dOut = Cut(dOutput, layout).permute(0, 2, 1, 3, 4).reshape(layout.Shape);
        // Σ_s P dP of each query = ⟨o, do⟩.
        var products = output.mul(dOutput).view(dOutput.shape[0], -1, shape.HeadDim).sum(-1, type: ScalarType.Float32); // [T, heads]
        var deltas = Cut(products, layout with { HeadDim = 1 }).permute(0, 2, 1, 3, 4).reshape(queries.shape[0], queries.shape[1], 1);
        var single = length <= QueryBlock;
        var dQueries = single ? null : empty(queries.shape, ScalarType.Float32, device);
        var dKeys = single ? null : zeros(keys.shape, ScalarType.Float32, device);
        var dValues = single ? null : zeros(values.shape, ScalarType.Float32, device);
        for (var first = 0; first < length; first += QueryBlock)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(QueryBlock, length - first);
            var from = shape.FirstSeen(first);
            var seen = first + count - from;
            var (row, rows) = ((long)first * group, (long)count * group);
            var (q, d) = (queries.narrow(1, row, rows), dOut.narrow(1, row, rows));
            var (k, v) = (keys.narrow(1, from, seen), values.narrow(1, from, seen));
            var p = Probabilities(q, k, first, count, from, null);
            var dS = d.bmm(v.transpose(1, 2)).sub_(deltas.narrow(1, row, rows).to(type)).mul_(p); // P ⊙ (dP − Σ P dP)
            var dqBlock = dS.bmm(k);
            var dkBlock = dS.transpose(1, 2).bmm(q);
            var dvBlock = p.transpose(1, 2).bmm(d);
            if (single)
            {
                dQueries = dqBlock.to(ScalarType.Float32).MoveToOuterDisposeScope();
                dKeys = dkBlock.to(ScalarType.Float32).MoveToOuterDisposeScope();
                dValues = dvBlock.MoveToOuterDisposeScope();
            }
            else
            {
                dQueries!.narrow(1, row, rows).copy_(dqBlock);
                dKeys!.narrow(1, from, seen).add_(dkBlock, One);
                dValues!.narrow(1, from, seen).add_(dvBlock, One);
            }
        }

        var (queryLayout, keyLayout) = (shape.Queries(segment, gradients.Columns), shape.Keys(segment, gradients.Columns));
        Put(TurnedBack(dQueries!, queryLayout, angles), gradients.Queries, queryLayout);
        Put(TurnedBack(dKeys!, keyLayout, angles), gradients.Keys, keyLayout);
        Put(dValues!, gradients.Values, shape.Values(segment, gradients.Columns));
    }

    public void Dispose()
    {
        foreach (var mask in masks.Values) mask.Dispose();
        slopes?.Dispose();
    }

    /// <summary>
    /// Probabilities of <paramref name="count"/> positions from <paramref name="first"/> over the keys from <paramref name="from"/> up to
    /// the last of them.
    /// </summary>
    private Tensor Probabilities(Tensor queries, Tensor keys, int first, int count, int from, Tensor? padding)
    {
        var scores = BatchedProducts.Add(Mask(first, count, from, queries.dtype), queries, keys.transpose(1, 2), shape.Scale);
        if (slopes is not null)
        {
            // As far from the last query for all: a constant in a row of scores changes no probability.
            scores = scores.to(ScalarType.Float32);
            var distances = arange(Held(from - (first + count) + 1), One, One, ScalarType.Float32, device: device);
            scores.view(-1, shape.KeyHeads, count, shape.Group, distances.shape[0]).add_(slopes.mul(distances), One);
        }

        if (padding is not null) scores = scores.to(ScalarType.Float32).add_(padding, One);
        if (queries.dtype == ScalarType.Float32) return scores.softmax(-1);
        return scores.softmax(-1, ScalarType.Float32).to(queries.dtype);
    }

    /// <summary>
    /// 0 where a query may look, −∞ where not, <c>[count·group, first + count − from]</c>: a view of one mask whose last columns are the
    /// triangle.
    /// </summary>
    private Tensor Mask(int first, int count, int from, ScalarType type)
    {
        if (!masks.TryGetValue(type, out var mask) || mask.shape[1] < first - from + QueryBlock)
        {
            mask?.Dispose();
            var width = Math.Max(1024, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(first - from + QueryBlock)));
            using var scope = NewDisposeScope();
            var triangle = full([QueryBlock, QueryBlock], Held(double.NegativeInfinity), ScalarType.Float32, device).triu(1);
            var wide = cat([zeros([QueryBlock, width - QueryBlock], ScalarType.Float32, device), triangle], 1);
            var before = full_like(wide, Held(double.NegativeInfinity)).tril(width - QueryBlock - shape.Window);
            if (shape.Window < width) wide.add_(before, One);
            masks[type] = mask = wide.repeat_interleave(shape.Group, 0).to(type).DetachFromDisposeScope();
        }

        return mask.narrow(0, 0, (long)count * shape.Group).narrow(1, mask.shape[1] - QueryBlock - first + from, first + count - from);
    }

    /// <summary>Heads of a segment as a view <c>[rows, L, kv, width, head_dim]</c> of the flat rows.</summary>
    private static Tensor Cut(Tensor flat, HeadLayout layout) =>
        flat.view(-1, layout.Columns, layout.KeyHeads, layout.Slots, layout.HeadDim).narrow(3, layout.Slot, layout.Width)
            .narrow(0, layout.Segment.Row, layout.Segment.Rows).narrow(1, layout.Segment.Start, layout.Segment.Length);

    /// <summary>Writes heads to their place in the flat rows.</summary>
    private static void Put(Tensor heads, Tensor flat, HeadLayout layout) =>
        Cut(flat, layout).copy_(Split(heads, layout).permute(0, 2, 1, 3, 4));

    /// <summary>Heads as a view <c>[rows, kv, L, width, head_dim]</c>.</summary>
    private static Tensor Split(Tensor heads, HeadLayout layout) =>
        heads.view(layout.Segment.Rows, layout.KeyHeads, layout.Segment.Length, layout.Width, layout.HeadDim);

    /// <summary>A cut as <c>[rows, kv, L, width, head_dim]</c>, turned in fp32 where there are angles.</summary>
    private Tensor Turned(Tensor cut, Angles? angles)
    {
        if (angles is not { } given) return Contiguous(cut);
        var turned = Contiguous(cut, ScalarType.Float32);
        Turn(turned, given, 1);
        return turned.to(cut.dtype);
    }

    /// <summary>Gradients of turned and scaled heads, fp32, become in place those of the heads.</summary>
    private Tensor TurnedBack(Tensor gradient, HeadLayout layout, Angles? angles)
    {
        gradient.mul_(Held(shape.Scale));
        if (angles is { } given) Turn(Split(gradient, layout), given, -1);
        return gradient;
    }

    private Tensor Contiguous(Tensor cut, ScalarType? type = null)
    {
        var copy = empty([cut.shape[0], cut.shape[2], cut.shape[1], cut.shape[3], cut.shape[4]], type ?? cut.dtype, device);
        return copy.copy_(cut.permute(0, 2, 1, 3, 4));
    }

    /// <summary>
    /// Turns the two halves of the last dimension of x <c>[rows, kv, L, width, head_dim]</c> in place by the angles (+1) or back (−1).
    /// </summary>
    private static void Turn(Tensor x, Angles angles, int sign)
    {
        var (cos, sin) = (angles.Cos.unsqueeze(1), angles.Sin.unsqueeze(1)); // [L, 1, head_dim / 2]
        var half = x.shape[^1] / 2;
        var first = x.narrow(-1, 0, half);
        var second = x.narrow(-1, half, half);
        var former = first.clone();
        first.mul_(cos).addcmul_(second, sin, Held(-sign));
        second.mul_(cos).addcmul_(former, sin, Held(sign));
    }
}
