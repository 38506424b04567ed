using Peft.Orleans.Core;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Lora;

/// <summary>
/// The best rank-r factors of a change of weights: any method's result as LoRA, at the cost of what the rank cannot hold.
/// </summary>
/// <param name="B"><c>[d, r]</c>, fp32.</param>
/// <param name="A"><c>[r, k]</c>, fp32.</param>
/// <param name="SquaredError">Squared Frobenius norm of what is lost.</param>
/// <param name="SquaredNorm">Squared Frobenius norm of the change.</param>
public sealed record LowRankApproximation(Tensor B, Tensor A, double SquaredError, double SquaredNorm) : IDisposable
{
    /// <summary>
    /// Truncated singular value decomposition of <paramref name="delta"/> <c>[d, k]</c>, each factor with the root of the singular values.
    /// </summary>
    /// <exception cref="PeftException">The rank is larger than the matrix allows; names <paramref name="module"/>.</exception>
    public static LowRankApproximation Of(string module, Tensor delta, int rank)
    {
        var largest = Math.Min(delta.shape[0], delta.shape[1]);
        if (rank > largest)
            throw new PeftException(
                $"--rank {rank}: {module} is {delta.shape[0]} × {delta.shape[1]}, its rank is at most {largest}; give a smaller --rank"
            );
        using var scope = NewDisposeScope();
        var exact = delta.to(ScalarType.Float64);
        var (u, sigma, vt) = LoraGaInitializer.Leading(exact, rank);
        var root = sigma.sqrt();
        var b = u.mul(root).to(ScalarType.Float32).contiguous();
        var a = vt.mul(root.unsqueeze(1)).to(ScalarType.Float32).contiguous();
        // Of the factors as written, rounding included.
        var lost = exact.sub(b.to(ScalarType.Float64).mm(a.to(ScalarType.Float64)));
        return new LowRankApproximation(
            b.DetachFromDisposeScope(),
            a.DetachFromDisposeScope(),
            lost.Squared().sum().item<double>(),
            exact.Squared().sum().item<double>()
        );
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
    }
}
