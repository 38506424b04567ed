using Peft.Orleans.Core.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>LoRA-GA's initial factors from the gradient of the frozen weight (Eq. 7-9).</summary>
internal static class LoraGaInitializer
{
    /// <summary>Initial <c>B [d, r]</c> and <c>A [r, k]</c>, fp32, from G <c>[d, k]</c>; owned by the caller's scope.</summary>
    internal static (Tensor B, Tensor A) Factors(Tensor gradient, int rank, LoraGaInitialization initialization, double gamma)
    {
        using var scope = NewDisposeScope();
        var count = (int)Math.Min(2L * rank, Math.Min(gradient.shape[0], gradient.shape[1]));
        var (u, sigma, vt) = Leading(gradient, count);
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
            var factor = Math.Pow(gradient.shape[0], 0.25) / Math.Sqrt(gamma);
            b = u.narrow(1, rank, rank).mul(factor);
            a = vt.narrow(0, 0, rank).mul(factor);
        }

        return (b.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope(), a.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope());
    }

    /// <summary>
    /// The leading singular triples, float64: from the eigenvectors of the smaller Gram matrix where it is at most 1,024 wide (exact), else by
    /// randomised subspace iteration. The largest entry of each column of U is positive: signs change the training run.
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

        // One sign per triple.
        var largest = u.abs().argmax(0, keepdim: true);
        var sign = u.gather(0, largest).sign();
        return (u.mul(sign).MoveToOuterDisposeScope(), sigma.MoveToOuterDisposeScope(), vt.mul(sign.view(-1, 1)).MoveToOuterDisposeScope());
    }

    private static (Tensor U, Tensor Sigma, Tensor Vt) Complete(Tensor known, Tensor other, bool knownIsLeft)
    {
        // other = (the other singular vectors) · σ; a vanishing σ leaves its vector zero.
        var sigma = other.square().sum(dim: 0).sqrt(); // [count]
        var floor = sigma.max().mul(1e-14).add_(1e-300);
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

        var b = q.t().mm(g); // [width, k]
        var (_, vectors) = linalg.eigh(b.mm(b.t()));
        var leading = vectors.narrow(1, width - count, count).flip(1);
        var (u, sigma, vt) = Complete(leading, b.t().mm(leading), true);
        return (q.mm(u), sigma, vt);
    }
}
