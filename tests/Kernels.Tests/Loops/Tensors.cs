using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops;

/// <summary>Random tensors for loops, and what is asked of their results.</summary>
internal static class Tensors
{
    internal static Tensor Random(long seed, ScalarType type, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, ScalarType.Float32, generator: generator).to(type);
    }

    internal static Tensor Float64(Tensor value) => value.to(ScalarType.Float64);

    /// <summary>The same number in float64, of which a gradient is wanted.</summary>
    internal static Tensor Trained(Tensor value) => Float64(value).requires_grad_();

    internal static void Same(Tensor expected, Tensor actual, string with) =>
        Assert.True(expected.equal(actual).all().item<bool>(), $"other bits with {with}");

    /// <summary>Right to the rounding of its type, relative to each element.</summary>
    internal static void Close(Tensor expected, Tensor actual, ScalarType type, int roundings = 1)
    {
        using var noGrad = no_grad();
        var limit = roundings * (type == ScalarType.Float32 ? 2e-6 : 1.0 / 128);
        var exact = Float64(expected);
        var error = Float64(actual).sub(exact).abs().sub(exact.abs().mul(limit)).max().item<double>();
        Assert.True(error < limit / 4, $"off by {error} beyond {limit} of its size");
    }

    /// <summary>
    /// Half a last place of a bf16 result, and what an fp32 sum of so many products of about 1 may be off before it is rounded: a sum of n
    /// is about √n large, and each of its n additions rounds by 2⁻²⁴ of that at most, on the whole by √n of them.
    /// </summary>
    internal static void Within(Tensor expected, Tensor actual, int sum)
    {
        var allowed = expected.abs().mul(actual.dtype == ScalarType.BFloat16 ? 1.0 / 256 : 0).add(1e-6 * (sum + 1));
        var excess = Float64(actual).sub(expected).abs().sub(allowed).max().item<double>();
        Assert.True(excess <= 0, $"off by {excess:g3} more than allowed");
    }
}
