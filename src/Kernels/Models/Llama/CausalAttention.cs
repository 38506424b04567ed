using Peft.Orleans.Data.Models.Llama;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>What a segment's attention leaves for its backward pass: rotated queries <c>[rows·kv, L·group, head_dim]</c>, rotated keys and values <c>[rows·kv, L, head_dim]</c>.</summary>
internal sealed record SavedSegment(Segment Segment, Tensor Queries, Tensor Keys, Tensor Values) : IDisposable
{
    /// <summary>This, outliving the scope it was made in.</summary>
    internal SavedSegment Detached()
    {
        foreach (var tensor in new[] { Queries, Keys, Values }) tensor.DetachFromDisposeScope();
        return this;
    }

    internal long Bytes => (Queries.numel() + Keys.numel() + Values.numel()) * Queries.element_size();

    public void Dispose()
    {
        Queries.Dispose();
        Keys.Dispose();
        Values.Dispose();
    }
}

/// <summary>
/// Causal attention with grouped queries, written as products. The queries that share a key head lie together, row t·group + j for query head
/// j at position t, so that one product serves the group and no key is copied; blocks of queries skip the keys after them. Probabilities are
/// computed again in the backward pass.
/// </summary>
internal sealed class CausalAttention : IDisposable
{
    private const int QueryBlock = 128;

    private readonly int keyHeads;
    private readonly int group;
    private readonly int headDim;
    private readonly float scale;
    private readonly RotaryTable rotary;
    private readonly Device device;
    private readonly FusedAttention fused;
    private readonly Dictionary<ScalarType, Tensor> masks = [];

    internal CausalAttention(LlamaConfig config, Device device)
    {
        keyHeads = config.NumKeyValueHeads;
        group = config.NumAttentionHeads / keyHeads;
        headDim = config.HeadDim;
        scale = (float)(1 / Math.Sqrt(headDim));
        rotary = new RotaryTable(config, device);
        this.device = device;
        fused = new FusedAttention(keyHeads, group, headDim, scale, QueryBlock);
    }

    /// <summary>q <c>[T, heads·head_dim]</c>, k and v <c>[T, kv·head_dim]</c>, T = rows·columns → <c>[T, heads·head_dim]</c>.</summary>
    internal Tensor Forward(Tensor q, Tensor k, Tensor v, int rows, IReadOnlyList<Segment> segments, List<SavedSegment>? saved)
    {
        using var scope = NewDisposeScope();
        var output = empty(q.shape, q.dtype, device);
        foreach (var segment in segments)
        {
            using var inner = NewDisposeScope();
            var heads = Heads(q, k, v, rows, segment);
            if (fused.Fits(q, segment.Length))
            {
                fused.Forward(heads, output, (int)(q.shape[0] / rows));
            }
            else
            {
                var attended = Attend(heads.Queries, heads.Keys, heads.Values, segment.Length, 0); // [rows·kv, L·group, hd]
                Cut(output, rows, segment, group).copy_(attended.view(segment.Rows, keyHeads, segment.Length, group, headDim).permute(0, 2, 1, 3, 4));
            }

            saved?.Add(heads.Detached());
        }

        return output.MoveToOuterDisposeScope();
    }

    /// <summary>What <see cref="Forward"/> kept of a segment, once more from the same q, k and v. In the caller's scope.</summary>
    internal SavedSegment Heads(Tensor q, Tensor k, Tensor v, int rows, Segment segment)
    {
        var (cos, sin) = rotary.At(0, segment.Length);
        return fused.Fits(q, segment.Length)
            ? fused.Heads(q, k, v, (int)(q.shape[0] / rows), segment, cos, sin)
            : new SavedSegment(segment, Queries(Cut(q, rows, segment, group), cos, sin), Keys(Cut(k, rows, segment, 1), cos, sin), Values(Cut(v, rows, segment, 1)));
    }

    /// <summary>As <see cref="Forward"/> for new tokens at the end of a cache; q <c>[rows·new, heads·head_dim]</c>.</summary>
    internal Tensor ForwardCached(Tensor q, Tensor k, Tensor v, int rows, KeyValueCache cache)
    {
        using var scope = NewDisposeScope();
        var length = (int)(q.shape[0] / rows);
        var offset = cache.Length;
        var segment = new Segment(0, rows, 0, length);
        var (cos, sin) = rotary.At(offset, length);
        var queries = Queries(Cut(q, rows, segment, group), cos, sin);
        var shape = new long[] { rows, keyHeads, length, headDim };
        var (keys, values) = cache.Append(Keys(Cut(k, rows, segment, 1), cos, sin).view(shape), Values(Cut(v, rows, segment, 1)).view(shape));
        var attended = Attend(queries, keys.flatten(0, 1), values.flatten(0, 1), length, offset, cache.PaddingScores(keyHeads, cache.Length, device));
        return attended.view(rows, keyHeads, length, group, headDim).permute(0, 2, 1, 3, 4).reshape(rows * length, -1).MoveToOuterDisposeScope();
    }

    /// <summary>Gradients of q, k, v in their layouts; <paramref name="output"/> is the forward pass's result.</summary>
    internal (Tensor Q, Tensor K, Tensor V) Backward(IReadOnlyList<SavedSegment> saved, Tensor output, Tensor dOutput, int rows)
    {
        using var scope = NewDisposeScope();
        var tokens = dOutput.shape[0];
        var dq = empty(dOutput.shape, dOutput.dtype, device);
        var dk = empty([tokens, (long)keyHeads * headDim], dOutput.dtype, device);
        var dv = empty([tokens, (long)keyHeads * headDim], dOutput.dtype, device);
        foreach (var segment in saved)
        {
            using var inner = NewDisposeScope();
            if (fused.Fits(output, segment.Segment.Length))
            {
                var (cos, sin) = rotary.At(0, segment.Segment.Length);
                fused.Backward(segment, output, dOutput, dq, dk, dv, (int)(tokens / rows), cos, sin);
                continue;
            }

            // Σ_s P dP of each query = ⟨o, do⟩.
            var delta = output.mul(dOutput).view(tokens, -1, headDim).sum(-1, type: ScalarType.Float32); // [T, heads]
            BackwardSegment(segment, dOutput, delta, rows, dq, dk, dv);
        }

        return (dq.MoveToOuterDisposeScope(), dk.MoveToOuterDisposeScope(), dv.MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        rotary.Dispose();
        foreach (var mask in masks.Values) mask.Dispose();
    }

    private void BackwardSegment(SavedSegment saved, Tensor dOutput, Tensor delta, int rows, Tensor dq, Tensor dk, Tensor dv)
    {
        var (segment, queries, keys, values) = saved;
        var length = segment.Length;
        var batch = (long)segment.Rows * keyHeads;
        var type = queries.dtype;
        var dOut = Cut(dOutput, rows, segment, group).permute(0, 2, 1, 3, 4).reshape(batch, (long)length * group, headDim);
        var deltas = delta.view(rows, -1, keyHeads, group).narrow(0, segment.Row, segment.Rows).narrow(1, segment.Start, length)
            .permute(0, 2, 1, 3).reshape(batch, (long)length * group, 1);
        var single = length <= QueryBlock;
        var dQueries = single ? null : empty(queries.shape, ScalarType.Float32, device);
        var dKeys = single ? null : zeros(keys.shape, ScalarType.Float32, device);
        var dValues = single ? null : zeros(values.shape, ScalarType.Float32, device);
        for (var first = 0; first < length; first += QueryBlock)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(QueryBlock, length - first);
            var seen = first + count;
            var q = queries.narrow(1, (long)first * group, (long)count * group);
            var k = keys.narrow(1, 0, seen);
            var v = values.narrow(1, 0, seen);
            var doBlock = dOut.narrow(1, (long)first * group, (long)count * group);
            var p = Probabilities(q, k, first, count);
            var dS = doBlock.bmm(v.transpose(1, 2)).sub_(deltas.narrow(1, (long)first * group, (long)count * group).to(type)).mul_(p); // P ⊙ (dP − Σ P dP)
            var dqBlock = dS.bmm(k);
            var dkBlock = dS.transpose(1, 2).bmm(q);
            var dvBlock = p.transpose(1, 2).bmm(doBlock);
            if (single)
            {
                dQueries = dqBlock.to(ScalarType.Float32).MoveToOuterDisposeScope();
                dKeys = dkBlock.to(ScalarType.Float32).MoveToOuterDisposeScope();
                dValues = dvBlock.MoveToOuterDisposeScope();
            }
            else
            {
                dQueries!.narrow(1, (long)first * group, (long)count * group).copy_(dqBlock);
                dKeys!.narrow(1, 0, seen).add_(dkBlock, One);
                dValues!.narrow(1, 0, seen).add_(dvBlock, One);
            }
        }

        var (cos, sin) = rotary.At(0, length);
        var dq5 = dQueries!.mul_(Held(scale)).view(segment.Rows, keyHeads, length, group, headDim);
        var dk5 = dKeys!.mul_(Held(scale)).view(segment.Rows, keyHeads, length, 1, headDim);
        RotaryTable.Rotate(dq5, cos.unsqueeze(1), sin.unsqueeze(1), -1);
        RotaryTable.Rotate(dk5, cos.unsqueeze(1), sin.unsqueeze(1), -1);
        Cut(dq, rows, segment, group).copy_(dq5.permute(0, 2, 1, 3, 4));
        Cut(dk, rows, segment, 1).copy_(dk5.permute(0, 2, 1, 3, 4));
        Cut(dv, rows, segment, 1).copy_(dValues!.view(segment.Rows, keyHeads, length, 1, headDim).permute(0, 2, 1, 3, 4));
    }

    private Tensor Attend(Tensor queries, Tensor keys, Tensor values, int length, int offset, Tensor? padding = null)
    {
        if (length <= QueryBlock) return Probabilities(queries, keys, offset, length, padding).bmm(values);
        var output = empty(queries.shape, queries.dtype, device);
        for (var first = 0; first < length; first += QueryBlock)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(QueryBlock, length - first);
            var seen = offset + first + count;
            var block = Probabilities(queries.narrow(1, (long)first * group, (long)count * group), keys.narrow(1, 0, seen), offset + first, count, padding?.narrow(2, 0, seen))
                .bmm(values.narrow(1, 0, seen));
            output.narrow(1, (long)first * group, (long)count * group).copy_(block);
        }

        return output;
    }

    /// <summary>Probabilities of <paramref name="count"/> positions from <paramref name="first"/> over the keys up to the last of them.</summary>
    private Tensor Probabilities(Tensor queries, Tensor keys, int first, int count, Tensor? padding = null)
    {
        var scores = BatchedProducts.Add(Mask(first, count, queries.dtype), queries, keys.transpose(1, 2), scale);
        if (padding is not null) scores = scores.to(ScalarType.Float32).add_(padding, One);
        if (queries.dtype == ScalarType.Float32) return scores.softmax(-1);
        return scores.softmax(-1, ScalarType.Float32).to(queries.dtype);
    }

    /// <summary>0 where a query may look, −∞ where not, <c>[count·group, first + count]</c>: a view of one mask whose last columns are the triangle.</summary>
    private Tensor Mask(int first, int count, ScalarType type)
    {
        if (!masks.TryGetValue(type, out var mask) || mask.shape[1] < first + QueryBlock)
        {
            mask?.Dispose();
            var width = Math.Max(1024, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(first + QueryBlock)));
            using var scope = NewDisposeScope();
            var triangle = full([QueryBlock, QueryBlock], Held(double.NegativeInfinity), ScalarType.Float32, device).triu(1);
            var wide = cat([zeros([QueryBlock, width - QueryBlock], ScalarType.Float32, device), triangle], 1);
            masks[type] = mask = wide.repeat_interleave(group, 0).to(type).DetachFromDisposeScope();
        }

        return mask.narrow(0, 0, (long)count * group).narrow(1, mask.shape[1] - QueryBlock - first, first + count);
    }

    /// <summary>A segment of <c>[T, kv·width·head_dim]</c> as a view <c>[rows, L, kv, width, head_dim]</c>.</summary>
    private Tensor Cut(Tensor flat, int rows, Segment segment, int width) =>
        flat.view(rows, -1, keyHeads, width, headDim).narrow(0, segment.Row, segment.Rows).narrow(1, segment.Start, segment.Length);

    private Tensor Queries(Tensor cut, Tensor cos, Tensor sin) => Rotated(cut, cos, sin).view(-1, cut.shape[1] * group, headDim);

    private Tensor Keys(Tensor cut, Tensor cos, Tensor sin) => Rotated(cut, cos, sin).view(-1, cut.shape[1], headDim);

    private Tensor Values(Tensor cut)
    {
        var values = empty([cut.shape[0], keyHeads, cut.shape[1], 1, headDim], cut.dtype, device);
        return values.copy_(cut.permute(0, 2, 1, 3, 4)).view(-1, cut.shape[1], headDim);
    }

    /// <summary>Rotated rows as <c>[rows, kv, L, width, head_dim]</c>, contiguous; the rotation itself in fp32.</summary>
    private Tensor Rotated(Tensor cut, Tensor cos, Tensor sin)
    {
        var rotated = empty([cut.shape[0], keyHeads, cut.shape[1], cut.shape[3], headDim], ScalarType.Float32, device);
        rotated.copy_(cut.permute(0, 2, 1, 3, 4));
        RotaryTable.Rotate(rotated, cos.unsqueeze(1), sin.unsqueeze(1), 1);
        return rotated.to(cut.dtype);
    }
}
