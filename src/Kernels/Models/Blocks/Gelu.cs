using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Rows;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Loops.Rows.GeluLoops;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>
/// The MLP's activation <c>½ x (1 + tanh u)</c>, u = √(2/π) (x + 0.044715 x³), over rows <c>[T, intermediate]</c>. It is x · σ(2u).
/// </summary>
internal static class Gelu
{
    /// <summary>The activation, in the caller's scope.</summary>
    internal static Tensor Forward(Tensor x)
    {
        if (Lanes.Fit(x, x.shape[1])) return GeluLoops.Forward(x);
        using var scope = NewDisposeScope();
        var x32 = x.to(ScalarType.Float32);
        return Sigmoid(x32, x32.Squared()).mul_(x32).to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>x's gradient, written over the activation's where there are loops; in the caller's scope.</summary>
    internal static Tensor Backward(Tensor x, Tensor dy)
    {
        if (Lanes.Fit(x, x.shape[1])) return GeluLoops.Backward(x, dy);
        using var scope = NewDisposeScope();
        var x32 = x.to(ScalarType.Float32);
        var square = x32.Squared();
        var sigmoid = Sigmoid(x32, square);
        // σ + x σ (1 − σ) 2u', u' = √(2/π) (1 + 3 · 0.044715 x²).
        var slope = square.mul_(Held(3 * Cubic)).add_(One, One).mul_(Held(2 * Root)).mul_(x32).mul_(sigmoid);
        slope.sub_(slope.mul(sigmoid)).add_(sigmoid, One);
        return slope.mul_(dy.to(ScalarType.Float32)).to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>σ(2u).</summary>
    private static Tensor Sigmoid(Tensor x, Tensor square) =>
        square.mul(Held(Cubic)).add_(One, One).mul_(Held(2 * Root)).mul_(x).sigmoid_();
}
