using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>
/// The leading singular triples of a gradient <c>G = Σ δᵀx [d, k]</c> that is never formed: subspace iteration whose products with G are sums
/// over the samples. Odd passes over the samples add up <c>Y = G P [d, l]</c> (P random at first), even ones <c>Z = Qᵀ G [l, k]</c>, with
/// Q = qr(Y), P = qr(Zᵀ). O((d + k) l) memory.
/// </summary>
internal sealed class GradientSketch : IDisposable
{
    /// <summary>Fixed, so that the sketch is a function of model and data alone.</summary>
    private const long Seed = 20250718;

    private readonly long rows;
    private readonly long columns;
    private readonly long width;
    private readonly Device device;
    private Tensor basis; // P [k, l] in odd passes, Q [d, l] in even ones
    private Tensor sum; // Y [d, l] in odd passes, Z [l, k] in even ones

    internal GradientSketch(string module, long rows, long columns, long width, Device device)
    {
        this.rows = rows;
        this.columns = columns;
        this.device = device;
        this.width = Math.Min(width, Math.Min(rows, columns));
        using var scope = NewDisposeScope();
        basis = SeededRandom.Normal(Seed, module, [columns, this.width], 1).to(device).DetachFromDisposeScope();
        sum = Zeros(rows, this.width);
    }

    internal long Bytes => 4 * (basis.numel() + sum.numel());

    private int Pass { get; set; } = 1;

    private bool IsOdd => Pass % 2 == 1;

    /// <summary>Adds a sample's <c>x [T, k]</c> and <c>δ [T, d]</c>, fp32; passes come in order, each over the same samples.</summary>
    internal void Add(int pass, Tensor x, Tensor dy)
    {
        using var scope = NewDisposeScope();
        while (Pass < pass) Advance();
        if (IsOdd) sum.addmm_(dy.t(), x.mm(basis));
        else sum.addmm_(dy.mm(basis).t(), x);
    }

    /// <summary>The leading triples of G / samples, float64, in the caller's scope; after an even pass.</summary>
    internal (Tensor U, Tensor Sigma, Tensor Vt) Leading(int count, int samples)
    {
        using var scope = NewDisposeScope();
        var (u, sigma, vt) = LoraGaInitializer.FromProjection(basis.to(ScalarType.Float64), Projection(samples), count);
        return (u.MoveToOuterDisposeScope(), sigma.MoveToOuterDisposeScope(), vt.MoveToOuterDisposeScope());
    }

    /// <summary><c>leftᵀ G / samples</c> for <c>left [d, r]</c>, as far as Q reaches; float64.</summary>
    internal Tensor FromLeft(Tensor left, int samples) => left.to(ScalarType.Float64).t().mm(basis.to(ScalarType.Float64)).mm(Projection(samples));

    /// <summary><c>Qᵀ G rightᵀ / samples</c> for <c>right [r, k]</c>: of the norm of <c>G rightᵀ</c>, as far as Q reaches; float64.</summary>
    internal Tensor FromRight(Tensor right, int samples) => Projection(samples).mm(right.to(ScalarType.Float64).t());

    public void Dispose()
    {
        basis.Dispose();
        sum.Dispose();
    }

    private Tensor Projection(int samples) => IsOdd
        ? throw new InvalidOperationException($"the sketch ended after pass {Pass}, which has no projection")
        : sum.to(ScalarType.Float64).div(samples);

    private void Advance()
    {
        var odd = IsOdd;
        var (q, _) = linalg.qr((odd ? sum : sum.t()).to(ScalarType.Float64));
        basis.Dispose();
        sum.Dispose();
        basis = q.to(ScalarType.Float32).contiguous().DetachFromDisposeScope();
        sum = odd ? Zeros(width, columns) : Zeros(rows, width);
        Pass++;
    }

    private Tensor Zeros(long height, long wide) => zeros([height, wide], ScalarType.Float32, device).DetachFromDisposeScope();
}
