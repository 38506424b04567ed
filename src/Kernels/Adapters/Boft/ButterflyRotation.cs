using Peft.Orleans.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>
/// Butterfly orthogonal matrices <c>R = M_m ··· M_1</c>, <c>M_i = P_i blockdiag(C_i) P_iᵀ</c>, <c>C = (I + ηQ)(I − ηQ)⁻¹</c> (Eq. 3-6), from the
/// strictly upper triangles θ of the skew Q. The permutations stay inside groups of S = b·2^(m−1) positions, so R is block-diagonal with dense
/// S × S blocks: these are composed once per version, and neither R nor a permutation matrix is ever formed.
/// </summary>
internal sealed class ButterflyRotation : IDisposable
{
    private readonly int block;
    private readonly int factors;
    private readonly double eta;
    private readonly Tensor[] places;
    private readonly Tensor upper;
    private readonly Tensor lower;
    private readonly Tensor identity;

    internal ButterflyRotation(string module, long size, int block, int factors, double eta, Device device)
    {
        var group = (long)block << (factors - 1);
        if (block < 2 || factors < 1 || size % group != 0 || (factors > 1 && block % 2 != 0))
        {
            throw new PeftException(
                $"{module}: its size {size} cannot carry butterfly blocks of block_size {block} with butterfly_factors {factors}: the size must be a multiple of "
                + $"block_size · 2^(butterfly_factors − 1) = {group}, and block_size even where there is more than one factor; change method.boft or target_modules");
        }

        this.block = block;
        this.factors = factors;
        this.eta = eta;
        Size = size;
        GroupSize = group;
        using var scope = NewDisposeScope();
        places = [.. Enumerable.Range(0, factors).Select(factor => tensor(Places(factor), int64, device: device).DetachFromDisposeScope())];
        var pairs = (from i in Enumerable.Range(0, block) from j in Enumerable.Range(i + 1, block - i - 1) select (i, j)).ToArray();
        upper = tensor(pairs.Select(pair => (long)((pair.i * block) + pair.j)).ToArray(), int64, device: device).DetachFromDisposeScope();
        lower = tensor(pairs.Select(pair => (long)((pair.j * block) + pair.i)).ToArray(), int64, device: device).DetachFromDisposeScope();
        identity = eye(block, -1, ScalarType.Float32, device).DetachFromDisposeScope();
    }

    internal long Size { get; }

    /// <summary>S: size of R's dense blocks.</summary>
    internal long GroupSize { get; }

    internal long Groups => Size / GroupSize;

    /// <summary>Shape of θ: <c>[m, D, b(b−1)/2]</c>.</summary>
    internal long[] ThetaShape => [factors, Size / block, block * (block - 1) / 2];

    /// <summary>R's blocks and what its gradient needs, from fp32 θ.</summary>
    internal ComposedRotation Compose(Tensor theta)
    {
        using var scope = NewDisposeScope();
        var flat = theta.reshape(-1, upper.numel());
        var q = zeros([flat.shape[0], block * block], ScalarType.Float32, flat.device);
        q.index_copy_(1, upper, flat);
        q.index_copy_(1, lower, flat.neg());
        // C = (I + ηQ)(I − ηQ)⁻¹ = 2 Z − I with Z = (I − ηQ)⁻¹.
        var z = linalg.inv(identity.sub(q.view(-1, block, block).mul_(eta))).contiguous(); // [m·D, b, b]
        var c = z.mul(2).sub_(identity);
        var blocks = Size / block;
        var products = new Tensor[factors];
        for (var i = 0; i < factors; i++)
        {
            var factor = c.narrow(0, i * blocks, blocks).view(Groups, -1);
            products[i] = zeros([Groups, GroupSize * GroupSize], ScalarType.Float32, flat.device)
                .index_copy_(1, places[i], factor).view(Groups, GroupSize, GroupSize).DetachFromDisposeScope();
        }

        var r = products[0];
        for (var i = 1; i < factors; i++) r = products[i].bmm(r);
        if (factors == 1) r = r.alias();
        return new ComposedRotation(r.DetachFromDisposeScope(), z.DetachFromDisposeScope(), products);
    }

    /// <summary>dL/dθ from dL/dR's diagonal blocks <c>[groups, S, S]</c>, fp32; the part of dL/dR outside the blocks does not matter.</summary>
    internal Tensor Gradient(ComposedRotation rotation, Tensor dr)
    {
        using var scope = NewDisposeScope();
        var blocks = Size / block;
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

            parts[i] = dm.reshape(Groups, GroupSize * GroupSize).index_select(1, places[i]).view(blocks, block, block);
        }

        // dC = 2η Z dQ Z, hence dL/dQ = 2η Zᵀ (dL/dC) Zᵀ.
        var zt = rotation.Inverse.transpose(1, 2);
        var dq = zt.bmm(cat(parts, 0)).bmm(zt).mul_(2 * eta).view(-1, block * block);
        return dq.index_select(1, upper).sub_(dq.index_select(1, lower)).view(ThetaShape).MoveToOuterDisposeScope();
    }

    /// <summary><c>max |CᵀC − I|</c> over all blocks of all factors.</summary>
    internal double OrthogonalityError(ComposedRotation rotation)
    {
        using var scope = NewDisposeScope();
        var c = rotation.Inverse.mul(2).sub_(identity);
        return c.transpose(1, 2).bmm(c).sub_(identity).abs().max().item<float>();
    }

    public void Dispose()
    {
        foreach (var place in places) place.Dispose();
        upper.Dispose();
        lower.Dispose();
        identity.Dispose();
    }

    /// <summary>Where the entries of a group's blocks of factor k land in its S × S matrix, row by row: <c>M[j, l] = B[order[j], order[l]]</c>.</summary>
    private long[] Places(int factor)
    {
        var group = (int)GroupSize;
        var order = Order(group, block << factor, factors == 1 ? group : block / 2, factor);
        var position = new int[group];
        for (var j = 0; j < group; j++) position[order[j]] = j;
        var result = new long[group / block * block * block];
        var at = 0;
        for (var start = 0; start < group; start += block)
            for (var row = 0; row < block; row++)
                for (var column = 0; column < block; column++)
                    result[at++] = ((long)position[start + row] * group) + position[start + column];
        return result;
    }

    /// <summary>PEFT's butterfly permutation: within each span, chunks of b/2, the even ones first, then the odd ones; the first factor has none.</summary>
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

/// <summary>A rotation's blocks, composed.</summary>
/// <param name="Blocks">R's dense diagonal blocks <c>[groups, S, S]</c>.</param>
/// <param name="Inverse">Z = (I − ηQ)⁻¹ <c>[m·D, b, b]</c>.</param>
/// <param name="Factors">M_1 … M_m, each <c>[groups, S, S]</c>.</param>
internal sealed record ComposedRotation(Tensor Blocks, Tensor Inverse, Tensor[] Factors) : IDisposable
{
    public void Dispose()
    {
        Blocks.Dispose();
        Inverse.Dispose();
        foreach (var factor in Factors) factor.Dispose();
    }
}
