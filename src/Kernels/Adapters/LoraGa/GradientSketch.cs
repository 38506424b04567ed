using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>
/// The leading singular triples of a gradient <c>G = Σ δᵀx [d, k]</c> that is never formed: subspace iteration whose products with G are
/// sums over the samples. Odd passes over the samples add up <c>Y = G P [d, l]</c> (P random at first), even ones <c>Zᵀ = Gᵀ Q [k, l]</c>,
/// with Q = qr(Y), P = qr(Zᵀ). O((d + k) l) memory: Y and Q share one buffer, P and Zᵀ the other.
/// </summary>
internal sealed class GradientSketch : IDisposable
{
    /// <summary>Fixed, so that the sketch is a function of model and data alone.</summary>
    private const long Seed = 20250718;

    private readonly Tensor left; // Y in odd passes, Q in even ones
    private readonly Tensor right; // P in odd passes, Zᵀ in even ones
    private int pass = 1;

    internal GradientSketch(string module, long rows, long columns, long width, Device device)
    {
        width = Math.Min(width, Math.Min(rows, columns));
        using var scope = NewDisposeScope();
        right = SeededRandom.Normal(Seed, module, [columns, width], 1).to(device).DetachFromDisposeScope();
        left = zeros([rows, width], ScalarType.Float32, device).DetachFromDisposeScope();
    }

    internal long Bytes => 4 * (left.numel() + right.numel());

    /// <summary>Adds a sample's <c>x [T, k]</c> and <c>δ [T, d]</c>, fp32; passes come in order, each over the same samples.</summary>
    internal void Add(int current, Tensor x, Tensor dy)
    {
        using var scope = NewDisposeScope();
        for (; pass < current; pass++)
        {
            var (sum, next) = pass % 2 == 1 ? (left, right) : (right, left);
            sum.copy_(linalg.qr(sum.to(ScalarType.Float64)).Q);
            next.zero_();
        }

        if (pass % 2 == 1) left.addmm_(dy.t(), x.mm(right));
        else right.addmm_(x.t(), dy.mm(left));
    }

    /// <summary>The leading triples of G / samples, float64, in the caller's scope; after an even pass.</summary>
    internal (Tensor U, Tensor Sigma, Tensor Vt) Leading(int count, int samples)
    {
        using var scope = NewDisposeScope();
        var (u, sigma, vt) = LoraGaInitializer.FromProjection(left.to(ScalarType.Float64), Projection(samples), count);
        return (u.MoveToOuterDisposeScope(), sigma.MoveToOuterDisposeScope(), vt.MoveToOuterDisposeScope());
    }

    /// <summary><c>upᵀ G / samples</c> for <c>[d, r]</c>, as far as Q reaches; float64.</summary>
    internal Tensor FromLeft(Tensor up, int samples) =>
        up.to(ScalarType.Float64).t().mm(left.to(ScalarType.Float64)).mm(Projection(samples));

    /// <summary><c>Qᵀ G downᵀ / samples</c> for <c>[r, k]</c>: of the norm of <c>G downᵀ</c>, as far as Q reaches; float64.</summary>
    internal Tensor FromRight(Tensor down, int samples) => Projection(samples).mm(down.to(ScalarType.Float64).t());

    public void Dispose()
    {
        left.Dispose();
        right.Dispose();
    }

    /// <summary>Qᵀ G / samples <c>[l, k]</c>, float64.</summary>
    private Tensor Projection(int samples) => pass % 2 == 0
        ? right.t().to(ScalarType.Float64).div(Held(samples))
        : throw new InvalidOperationException($"the sketch ended after pass {pass}, which has no projection");
}
