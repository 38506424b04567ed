using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Rotations;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>
/// Butterfly orthogonal matrices <c>R = M_m ··· M_1</c>, <c>M_i = P_i blockdiag(C_i) P_iᵀ</c> (Eq. 3-6), applied to rows. The permutations
/// stay inside groups of S = b·2^(m−1) positions, so R is block-diagonal with dense S × S blocks: where these are small they are composed
/// once per version, else R is applied factor by factor. Neither R nor a permutation matrix is ever formed.
/// </summary>
internal sealed class ButterflyRotation : IDisposable
{
    /// <summary>Largest S at which one product with dense blocks is cheaper than 2m copies and m products with small ones.</summary>
    private const long LargestDense = 64;

    private readonly OrthogonalBlocks orthogonal;
    private readonly ButterflyFactors chain;
    private readonly int block;
    private readonly int factors;
    private readonly bool dense;
    private readonly Tensor[] places;
    private readonly Tensor? positions; // [m, S] where our own loops compose and apply R

    internal ButterflyRotation(string module, long size, BoftSpec options, Device device)
    {
        (block, factors) = (options.BlockSize, options.ButterflyFactors);
        var group = (long)block << (factors - 1);
        if (block < 2 || factors < 1 || factors > 40 || size % group != 0 || (factors > 1 && block % 2 != 0))
        {
            throw new PeftException(
                $"{module}: its size {size} cannot carry butterfly blocks of block_size {block} with butterfly_factors {factors}: the size "
                    + "must be a multiple of "
                    + $"block_size · 2^(butterfly_factors − 1) = {group}, and block_size even where there is more than one factor; change "
                        + "method.boft or target_modules"
            );
        }

        Size = size;
        GroupSize = group;
        dense = group <= LargestDense || factors == 1;
        orthogonal = OrthogonalBlocks.Of(options, device);
        chain = new ButterflyFactors(size, block, factors);
        using var scope = NewDisposeScope();
        var fused = dense && block % ILanes.Count == 0 && orthogonal is CayleyBlocks && device.type == DeviceType.CPU;
        if (fused)
            positions = tensor(Enumerable.Range(0, factors).SelectMany(Positions).ToArray(), [factors, group], ScalarType.Int32)
                .DetachFromDisposeScope();
        places =
            dense && factors > 1 && !fused
                ?
                [
                    .. Enumerable
                        .Range(0, factors)
                        .Select(factor => tensor(Places(factor), int64, device: device).DetachFromDisposeScope()),
                ]
                : [];
    }

    /// <summary>The parameterisation of the blocks.</summary>
    internal OrthogonalBlocks Orthogonal => orthogonal;

    /// <summary>n.</summary>
    internal long Size { get; }

    /// <summary>S.</summary>
    internal long GroupSize { get; }

    /// <summary>Shape of the trained parameters: <c>[m, D, b(b−1)/2]</c> for Cayley, <c>[m, D, b, b]</c> for projection.</summary>
    internal long[] ParameterShape => [factors, Size / block, .. orthogonal.ParameterShape];

    private long Groups => Size / GroupSize;

    /// <summary>The rotation that fp32 parameters stand for, for rows of a type; owned by the caller.</summary>
    internal ComposedRotation Compose(Tensor parameters, ScalarType rows = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        if (positions is not null)
        {
            var (blocks, deviation, transposed) = CayleyLoops.Compose(
                parameters.contiguous(),
                positions,
                block,
                ((CayleyBlocks)orthogonal).Eta
            );
            // Rows of a half type are rotated by products in their type; only the loops for fp32 read R − I both ways.
            return new ComposedRotation(
                blocks.DetachFromDisposeScope(),
                null,
                null,
                [],
                deviation.to(rows).DetachFromDisposeScope(),
                rows == ScalarType.Float32 ? transposed.DetachFromDisposeScope() : null
            );
        }

        var (c, inverse) = orthogonal.Compose(parameters);
        Tensor[] products = [];
        Tensor? r = null;
        if (dense && factors == 1)
        {
            r = c.alias();
        }
        else if (dense)
        {
            var count = Size / block;
            products = new Tensor[factors];
            for (var i = 0; i < factors; i++)
            {
                var factor = c.narrow(0, i * count, count).view(Groups, -1);
                products[i] = zeros([Groups, GroupSize * GroupSize], ScalarType.Float32, c.device)
                    .index_copy_(1, places[i], factor).view(Groups, GroupSize, GroupSize).DetachFromDisposeScope();
            }

            r = products[0];
            for (var i = 1; i < factors; i++) r = products[i].bmm(r);
        }

        return new ComposedRotation(c.DetachFromDisposeScope(), inverse?.DetachFromDisposeScope(), r?.DetachFromDisposeScope(), products);
    }

    /// <summary>
    /// Rows <c>[T, n]</c> as this rotation reads them, in the caller's scope: a copy, unaffected by what happens to the rows, but for rows
    /// that
    /// <paramref name="stay"/> as they are maybe the rows themselves.
    /// </summary>
    internal Tensor Arrange(Tensor rows, bool stay = false)
    {
        if (Fused(rows)) return !rows.is_contiguous() ? rows.contiguous() : stay ? rows.alias() : rows.clone();
        if (!dense) return rows.clone();
        using var scope = NewDisposeScope();
        // A strided batch is multiplied several times slower than it is copied.
        var view = Grouped(rows); // [groups, T, S]
        return (view.is_contiguous() ? view.clone() : view.contiguous()).MoveToOuterDisposeScope();
    }

    /// <summary>The rows <c>[T, n]</c> that were arranged: a copy.</summary>
    internal Tensor Restore(Tensor arranged) =>
        arranged.dim() == 2 ? arranged.clone() : arranged.transpose(0, 1).reshape(arranged.shape[1], Size);

    /// <summary>
    /// Adds <paramref name="factor"/> · (R − I) row, or with <paramref name="transposed"/> (Rᵀ − I) row, to each row of
    /// <paramref name="target"/> in place.
    /// </summary>
    internal void AddDeviation(ComposedRotation rotation, Tensor arranged, Tensor target, bool transposed, double factor = 1)
    {
        using var scope = NewDisposeScope();
        if (Fused(arranged) && target.is_contiguous())
        {
            // A row's product with R − I is the row times the transpose.
            if (arranged.dtype == ScalarType.BFloat16)
                PackedRotation.Add(arranged, rotation.Deviation(ScalarType.BFloat16), target, !transposed, factor, TorchRuntime.Threads);
            else
                RotationLoops.Add(arranged, transposed ? rotation.Deviation(ScalarType.Float32) : rotation.Transposed!, target, factor);
        }
        else if (dense)
        {
            var deviation = rotation.Deviation(arranged.dtype);
            if (arranged.dim() == 2) arranged = Grouped(arranged).contiguous();
            Grouped(target).add_(arranged.bmm(transposed ? deviation : deviation.transpose(1, 2)), Held(factor));
        }
        else
        {
            target.add_(chain.Deviation(rotation.Deviation(arranged.dtype), arranged, transposed), Held(factor));
        }
    }

    /// <summary>
    /// Adds the parameters' gradient, from arranged rows x and dL/dy of <c>y = … + factor · (R − I) x</c> (or Rᵀ), to
    /// <paramref name="sum"/> in place.
    /// </summary>
    internal void Accumulate(ComposedRotation rotation, Tensor x, Tensor dy, bool transposed, Tensor sum, double factor = 1)
    {
        using var scope = NewDisposeScope();
        if (positions is null)
        {
            sum.add_(FromProducts(rotation, x, dy, transposed, factor), One);
            return;
        }

        var (left, right) = transposed ? (x, dy) : (dy, x);
        var dr = !Fused(x) ? left.transpose(1, 2).bmm(right).to(ScalarType.Float32).mul_(Held(factor))
            : x.dtype == ScalarType.BFloat16 ? PackedRotation.Outer(left, right, (int)GroupSize, factor, TorchRuntime.Threads)
            : RotationLoops.Outer(left, right, (int)GroupSize, factor);
        CayleyLoops.Gradient(dr, rotation.Blocks, positions, ((CayleyBlocks)orthogonal).Eta, sum);
    }

    /// <summary>As <see cref="Accumulate"/>, by itself; in the caller's scope.</summary>
    internal Tensor Gradient(ComposedRotation rotation, Tensor x, Tensor dy, bool transposed, double factor = 1)
    {
        var sum = zeros(ParameterShape, ScalarType.Float32, x.device);
        Accumulate(rotation, x, dy, transposed, sum, factor);
        return sum;
    }

    private Tensor FromProducts(ComposedRotation rotation, Tensor x, Tensor dy, bool transposed, double factor)
    {
        using var scope = NewDisposeScope();
        Tensor dBlocks;
        if (dense)
        {
            var outer = transposed ? x.transpose(1, 2).bmm(dy) : dy.transpose(1, 2).bmm(x); // [groups, S, S]
            var dr = outer.to(ScalarType.Float32).mul_(Held(factor));
            dBlocks = factors == 1 ? dr : FactorGradients(rotation, dr);
        }
        else
        {
            dBlocks = chain.Gradient(rotation.Deviation(x.dtype), x, dy, transposed).mul_(Held(factor));
        }

        return orthogonal.Gradient(rotation.Inverse, dBlocks).view(ParameterShape).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var place in places) place.Dispose();
        positions?.Dispose();
        orthogonal.Dispose();
    }

    /// <summary>dL/dC <c>[m·D, b, b]</c> from dL/dR's diagonal blocks; what lies outside the blocks does not matter.</summary>
    private Tensor FactorGradients(ComposedRotation rotation, Tensor dr)
    {
        var parts = new Tensor[factors];
        var after = dr; // (M_m ··· M_{i+1})ᵀ dR
        for (var i = factors - 1; i >= 0; i--)
        {
            var dm = after;
            if (i > 0)
            {
                var before = rotation.Factors[0];
                for (var j = 1; j < i; j++) before = rotation.Factors[j].bmm(before);
                dm = after.bmm(before.transpose(1, 2));
                after = rotation.Factors[i].transpose(1, 2).bmm(after);
            }

            parts[i] = dm.reshape(Groups, GroupSize * GroupSize).index_select(1, places[i]).view(Size / block, block, block);
        }

        return cat(parts, 0);
    }

    /// <summary><c>[T, n]</c> as <c>[groups, T, S]</c>, a view.</summary>
    private Tensor Grouped(Tensor rows) => rows.view(rows.shape[0], Groups, GroupSize).transpose(0, 1);

    /// <summary>Whether rows are rotated where they lie, by loops of ours for their type; else they are copied into batches.</summary>
    private bool Fused(Tensor rows) =>
        positions is not null && rows.dim() == 2 && (rows.dtype == ScalarType.Float32 || PackedRotation.Fit(rows, GroupSize));

    /// <summary>
    /// Where the entries of a group's blocks of factor k land in its S × S matrix, row by row: <c>M[j, l] = B[order[j], order[l]]</c>.
    /// </summary>
    private long[] Places(int factor)
    {
        var group = (int)GroupSize;
        var position = Positions(factor);
        var result = new long[group / block * block * block];
        var at = 0;
        for (var start = 0; start < group; start += block)
            for (var row = 0; row < block; row++)
                for (var column = 0; column < block; column++)
                    result[at++] = ((long)position[start + row] * group) + position[start + column];
        return result;
    }

    /// <summary>Where in a group the elements of the blocks of factor k lie, block by block.</summary>
    private int[] Positions(int factor)
    {
        var group = (int)GroupSize;
        var order = Order(group, block << factor, block / 2, factor);
        var position = new int[group];
        for (var j = 0; j < group; j++) position[order[j]] = j;
        return position;
    }

    /// <summary>
    /// PEFT's butterfly permutation: within each span, chunks of b/2, the even ones first, then the odd ones; the first factor has none.
    /// </summary>
    private static int[] Order(int size, int span, int chunk, int factor)
    {
        if (factor == 0) return [.. Enumerable.Range(0, size)];
        var order = new List<int>(size);
        for (var start = 0; start < size; start += span)
        {
            for (var parity = 0; parity < 2; parity++)
                for (var c = parity * chunk; c < span; c += 2 * chunk)
                    order.AddRange(Enumerable.Range(start + c, chunk));
        }

        return [.. order];
    }
}
