using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>
/// A butterfly rotation applied factor by factor, O(T·n·b·m), for any number of factors. Within a span of b·2^k positions the permutation
/// of factor k is a transposition of chunks, so it costs a copy and no index. <c>deviation</c> is C − I, <c>[m·D, b, b]</c>, in the type of
/// the rows.
/// </summary>
internal sealed class ButterflyFactors(long size, int block, int factors)
{
    private long Blocks => size / block;

    /// <summary>
    /// <c>(R − I)</c> of each row, or <c>(Rᵀ − I)</c>: kept apart from the row, so that small rotations survive half types. In the caller's
    /// scope.
    /// </summary>
    internal Tensor Deviation(Tensor deviation, Tensor rows, bool transposed)
    {
        using var scope = NewDisposeScope();
        var sum = zeros_like(rows);
        foreach (var i in Sequence(transposed)) Advance(deviation, i, rows, sum, transposed);
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>dL/dC <c>[m·D, b, b]</c>, fp32, from rows x and dL/dy of <c>y = R x</c> or <c>Rᵀ x</c>. In the caller's scope.</summary>
    internal Tensor Gradient(Tensor deviation, Tensor x, Tensor dy, bool transposed)
    {
        using var scope = NewDisposeScope();
        var order = Sequence(transposed);
        // Inputs of each factor, again.
        var inputs = new Tensor[factors];
        var sum = zeros_like(x);
        foreach (var i in order)
        {
            inputs[i] = Split(x.add(sum, One), i);
            Advance(deviation, i, x, sum, transposed);
        }

        var parts = new Tensor[factors];
        var back = zeros_like(dy);
        foreach (var i in order.Reverse())
        {
            using var inner = NewDisposeScope();
            var d = Split(dy.add(back, One), i); // [D, T, b]
            var part = transposed ? inputs[i].transpose(1, 2).bmm(d) : d.transpose(1, 2).bmm(inputs[i]);
            parts[i] = part.to(ScalarType.Float32).MoveToOuterDisposeScope();
            Advance(deviation, i, dy, back, !transposed);
        }

        return cat(parts, 0).MoveToOuterDisposeScope();
    }

    private int[] Sequence(bool transposed) => transposed ? [.. Enumerable.Range(0, factors).Reverse()] : [.. Enumerable.Range(0, factors)];

    /// <summary><c>sum += P (C − I) Pᵀ (rows + sum)</c> for factor i.</summary>
    private void Advance(Tensor deviation, int i, Tensor rows, Tensor sum, bool transposed)
    {
        using var scope = NewDisposeScope();
        var d = deviation.narrow(0, i * Blocks, Blocks);
        sum.add_(Join(Split(rows.add(sum, One), i).bmm(transposed ? d : d.transpose(1, 2)), i), One);
    }

    /// <summary>Pᵀ and the cut into blocks: <c>[T, n]</c> → <c>[D, T, b]</c>.</summary>
    private Tensor Split(Tensor rows, int factor)
    {
        var t = rows.shape[0];
        if (factor == 0) return rows.view(t, Blocks, block).transpose(0, 1).contiguous();
        var chunks = 1L << factor;
        return rows.view(t, Blocks / chunks, 2, chunks, block / 2).permute(1, 3, 0, 2, 4).reshape(Blocks, t, block);
    }

    /// <summary>Undoes <see cref="Split"/>: <c>[D, T, b]</c> → <c>[T, n]</c>.</summary>
    private Tensor Join(Tensor blocks, int factor)
    {
        var t = blocks.shape[1];
        if (factor == 0) return blocks.transpose(0, 1).reshape(t, size);
        var chunks = 1L << factor;
        return blocks.view(Blocks / chunks, chunks, t, 2, block / 2).permute(2, 0, 3, 1, 4).reshape(t, size);
    }
}
