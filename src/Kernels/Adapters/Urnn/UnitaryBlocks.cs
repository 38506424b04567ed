using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>
/// Batches of unitary blocks, complex <c>[D, b, b]</c> of either precision, and their update (Eq. 11-12). Results belong to the caller's
/// scope.
/// </summary>
internal static class UnitaryBlocks
{
    private const double LargestForTaylor = 0.5;
    private const double AfterRenormalization = 1e-6;

    /// <summary>‖UᴴU − I‖_F / √n beyond which blocks are renormalised.</summary>
    internal const double Tolerance = 1e-4;

    /// <summary>Eq. 11: <c>B = G Uᴴ − U Gᴴ</c>, skew-Hermitian, for <c>G = ∂L/∂Re U + i ∂L/∂Im U</c>.</summary>
    internal static Tensor Tangent(Tensor u, Tensor g)
    {
        using var scope = NewDisposeScope();
        var product = g.bmm(Adjoint(u));
        return product.sub(Adjoint(product)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Eq. 12 with the sign that descends: <c>U ← exp(−ηB) U</c>. The paper prints +ηB, along which dL/dη = ‖G‖² − Re tr((GᴴU)²) ≥ 0: a
    /// negative
    /// <paramref name="eta"/> is the printed update.
    /// </summary>
    internal static Tensor Step(Tensor u, Tensor g, double eta)
    {
        using var scope = NewDisposeScope();
        return Exponential(Tangent(u, g).mul_(Held(-eta))).bmm(u).MoveToOuterDisposeScope();
    }

    /// <summary>The matrix exponential: Taylor's series of A / 2^s, squared s times.</summary>
    internal static Tensor Exponential(Tensor a)
    {
        using var scope = NewDisposeScope();
        var norm = view_as_real(a).Squared().sum([1, 2, 3]).max().sqrt().to(ScalarType.Float64).item<double>();
        var squarings = norm > LargestForTaylor && double.IsFinite(norm) ? (int)Math.Ceiling(Math.Log2(norm / LargestForTaylor)) : 0;
        var identity = eye(a.shape[1], -1, a.dtype, a.device);
        var part = a.mul(Held(Math.ScaleB(1, -squarings)));
        // ½^(k+1) / (k+1)! is below the rounding of fp32 at k = 8, of float64 at k = 15.
        var terms = a.dtype == ScalarType.ComplexFloat64 ? 15 : 8;
        var sum = part.mul(Held(1.0 / terms)).add_(identity, One);
        for (var k = terms - 1; k >= 1; k--) sum = part.bmm(sum).mul_(Held(1.0 / k)).add_(identity, One);
        for (var i = 0; i < squarings; i++) sum = sum.bmm(sum);
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>‖UᴴU − I‖_F / √n over all blocks together.</summary>
    internal static double Drift(Tensor u)
    {
        using var scope = NewDisposeScope();
        var error = Adjoint(u).bmm(u).sub_(eye(u.shape[1], -1, u.dtype, u.device));
        var squared = view_as_real(error).to(ScalarType.Float64).Squared().sum().item<double>();
        return Math.Sqrt(squared / (u.shape[0] * u.shape[1]));
    }

    /// <summary><c>max |UᴴU − I|</c> over all blocks.</summary>
    internal static double Error(Tensor u)
    {
        using var scope = NewDisposeScope();
        var error = Adjoint(u).bmm(u).sub_(eye(u.shape[1], -1, u.dtype, u.device));
        return error.abs().max().to(ScalarType.Float64).item<double>();
    }

    /// <summary>Newton–Schulz, <c>U ← ½ U (3I − UᴴU)</c>, until the drift is rounding.</summary>
    internal static Tensor Renormalize(Tensor u)
    {
        using var scope = NewDisposeScope();
        var result = u;
        for (var i = 0; i < 20 && Drift(result) > AfterRenormalization; i++)
            result = result.mul(Held(1.5)).sub_(result.bmm(Adjoint(result).bmm(result)).mul_(Held(0.5)));
        return result.clone().MoveToOuterDisposeScope();
    }

    private static Tensor Adjoint(Tensor blocks) => blocks.conj().resolve_conj().transpose(1, 2);
}
