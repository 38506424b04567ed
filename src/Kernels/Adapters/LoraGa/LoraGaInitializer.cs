using Peft.Orleans.Core.Methods;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>LoRA-GA's initial factors from the gradient of the frozen weight (Eq. 7-9).</summary>
internal static class LoraGaInitializer
{
    /// <summary>How many singular triples of a <c>[d, k]</c> gradient the factors of a rank read.</summary>
    internal static int Count(int rank, long rows, long columns) => (int)Math.Min(2L * rank, Math.Min(rows, columns));

    /// <summary>Initial <c>B [d, r]</c> and <c>A [r, k]</c>, fp32, from G's leading triples; owned by the caller's scope.</summary>
    internal static (Tensor B, Tensor A) Factors(
        (Tensor U, Tensor Sigma, Tensor Vt) leading,
        int rank,
        LoraGaInitialization initialization,
        double gamma
    )
    {
        using var scope = NewDisposeScope();
        var (u, sigma, vt) = leading;
        Tensor b, a;
        if (initialization == LoraGaInitialization.Paper)
        {
            // Eq. 8: U Σ^½ and Σ^½ Vᵀ.
            var root = sigma.narrow(0, 0, rank).sqrt();
            b = u.narrow(1, 0, rank).mul(root);
            a = vt.narrow(0, 0, rank).mul(root.unsqueeze(1));
        }
        else
        {
            var factor = Math.Pow(u.shape[0], 0.25) / Math.Sqrt(gamma);
            b = u.narrow(1, rank, rank).mul(Held(factor));
            a = vt.narrow(0, 0, rank).mul(Held(factor));
        }

        return (
            b.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope(),
            a.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope()
        );
    }

    /// <summary>
    /// The leading singular triples, float64: from the eigenvectors of the smaller Gram matrix where it is at most 1,024 wide (exact), else
    /// by randomised subspace iteration. The largest entry of each column of U is positive: signs change the training run.
    /// </summary>
    internal static (Tensor U, Tensor Sigma, Tensor Vt) Leading(Tensor gradient, int count)
    {
        using var scope = NewDisposeScope();
        var g = gradient.to(ScalarType.Float64);
        var wide = g.shape[0] <= g.shape[1];
        var small = Math.Min(g.shape[0], g.shape[1]);
        Tensor u, sigma, vt;
        if (small <= 1024)
        {
            var gram = wide ? g.mm(g.t()) : g.t().mm(g);
            var (_, vectors) = linalg.eigh(gram); // ascending
            var leading = vectors.narrow(1, small - count, count).flip(1);
            (u, sigma, vt) = wide ? Complete(leading, g.t().mm(leading), true) : Complete(leading, g.mm(leading), false);
        }
        else
        {
            (u, sigma, vt) = Randomised(g, count);
        }

        return Signed(u, sigma, vt);
    }

    /// <summary>
    /// The leading triples of <c>Q b</c>, for orthonormal <c>Q [d, l]</c> and <c>b [l, k]</c>, float64; in the caller's scope.
    /// </summary>
    internal static (Tensor U, Tensor Sigma, Tensor Vt) FromProjection(Tensor q, Tensor b, int count)
    {
        using var scope = NewDisposeScope();
        var (_, vectors) = linalg.eigh(b.mm(b.t()));
        var leading = vectors.narrow(1, b.shape[0] - count, count).flip(1);
        var (u, sigma, vt) = Complete(leading, b.t().mm(leading), true);
        return Signed(q.mm(u), sigma, vt);
    }

    /// <summary>One sign per triple, moved out of the caller's scope.</summary>
    private static (Tensor U, Tensor Sigma, Tensor Vt) Signed(Tensor u, Tensor sigma, Tensor vt)
    {
        var largest = u.abs().argmax(0, keepdim: true);
        var sign = u.gather(0, largest).sign();
        return (u.mul(sign).MoveToOuterDisposeScope(), sigma.MoveToOuterDisposeScope(), vt.mul(sign.view(-1, 1)).MoveToOuterDisposeScope());
    }

    private static (Tensor U, Tensor Sigma, Tensor Vt) Complete(Tensor known, Tensor other, bool knownIsLeft)
    {
        // other = (the other singular vectors) · σ; a vanishing σ leaves its vector zero.
        var sigma = other.Squared().sum(dim: 0).sqrt(); // [count]
        var floor = sigma.max().mul(Held(1e-14)).add_(Held(1e-300), One);
        var vectors = other.div(sigma.maximum(floor));
        return knownIsLeft ? (known, sigma, vectors.t()) : (vectors, sigma, known.t());
    }

    private static (Tensor U, Tensor Sigma, Tensor Vt) Randomised(Tensor g, int count)
    {
        const int PowerIterations = 8;
        using var generator = new Generator(20250718);
        var width = Math.Min(2L * count, Math.Min(g.shape[0], g.shape[1]));
        var omega = randn([g.shape[1], width], ScalarType.Float64, CPU, generator: generator).to(g.device);
        var (q, _) = linalg.qr(g.mm(omega));
        for (var i = 0; i < PowerIterations; i++)
        {
            var (p, _) = linalg.qr(g.t().mm(q));
            (q, _) = linalg.qr(g.mm(p));
        }

        return FromProjection(q, q.t().mm(g), count);
    }
}
