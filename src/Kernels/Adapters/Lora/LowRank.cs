using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Lora;

/// <summary>
/// Products with the factors of a low-rank change, down <c>[r, in]</c> and up <c>[out, r]</c>. They are small and many: where they fit,
/// they are made in our own loops, for a call of libtorch's takes longer than the product.
/// </summary>
internal static class LowRank
{
    /// <summary>Hidden rows <c>x downᵀ [T, r]</c>.</summary>
    internal static Tensor Hidden(Tensor x, Tensor down) =>
        PackedBlocks.Fit(x, down, down.shape[0]) ? PackedBlocks.Product(x, down, null, 1, TorchRuntime.Threads) : x.mm(down.t());

    /// <summary><c>x W0ᵀ + scale · hidden upᵀ [T, out]</c>.</summary>
    internal static Tensor Product(FrozenWeight weight, Tensor x, Tensor hidden, Tensor up, float scale)
    {
        var term = new LowRankTerm(hidden, up, scale);
        if (PackedBlocks.Fit(x, weight.Held, weight.Out) && PackedBlocks.Fit(x, term))
            return PackedBlocks.Product(x, weight.Held, term, TorchRuntime.Threads);
        var y = weight.Product(x);
        AddProduct(y, hidden, up, scale);
        return y;
    }

    /// <summary>Adds <c>scale · hidden upᵀ</c> to y <c>[T, out]</c>.</summary>
    internal static void AddProduct(Tensor y, Tensor hidden, Tensor up, float scale)
    {
        if (PackedBlocks.Fit(hidden, up, up.shape[0]) && y.is_contiguous())
            PackedBlocks.Product(hidden, up, y, scale, TorchRuntime.Threads);
        else
            y.addmm_(hidden, up.t(), alpha: scale);
    }

    /// <summary>Gradient of the hidden rows, <c>scale · dy up [T, r]</c>.</summary>
    internal static Tensor HiddenGradient(Tensor dy, Tensor up, float scale) =>
        PackedBlocks.Fit(dy, up, up.shape[1])
            ? PackedBlocks.InputGradient(dy, up, null, scale, TorchRuntime.Threads)
            : dy.mm(up).mul_(Held(scale));

    /// <summary>
    /// Adds <c>dy W0 + dHidden down</c>, the latter under a dropout's <paramref name="mask"/> where there is one, to dx <c>[T, in]</c>, or
    /// makes it.
    /// </summary>
    internal static Tensor InputGradient(FrozenWeight weight, Tensor dy, Tensor? dx, Tensor dHidden, Tensor down, Tensor? mask)
    {
        var term = new LowRankTerm(dHidden, down, 1);
        if (mask is null && dx?.is_contiguous() != false && PackedBlocks.Fit(dy, weight.Held, weight.In) && PackedBlocks.Fit(dy, term))
            return PackedBlocks.InputGradient(dy, weight.Held, dx, term, TorchRuntime.Threads);
        dx = weight.InputGradient(dy, dx);
        AddInputGradient(dx, dHidden, down, mask);
        return dx;
    }

    /// <summary>Adds <c>dHidden down</c>, under a dropout's <paramref name="mask"/> where there is one, to dx <c>[T, in]</c>.</summary>
    internal static void AddInputGradient(Tensor dx, Tensor dHidden, Tensor down, Tensor? mask)
    {
        if (mask is not null)
            dx.add_(dHidden.mm(down).mul_(mask), One);
        else if (PackedBlocks.Fit(dHidden, down, down.shape[1]) && dx.is_contiguous())
            PackedBlocks.InputGradient(dHidden, down, dx, 1, TorchRuntime.Threads);
        else
            dx.addmm_(dHidden, down);
    }

    /// <summary>Adds <c>scale · dyᵀ hidden</c> to up's gradient <c>[out, r]</c>, fp32.</summary>
    internal static void AddUpGradient(Tensor gradient, Tensor dy, Tensor hidden, float scale)
    {
        if (PackedOuter.Fit(hidden, dy)) PackedOuter.Add(gradient, hidden, dy, scale, rankLast: true, TorchRuntime.Threads);
        else Accumulate(gradient, dy, hidden, scale);
    }

    /// <summary>Adds <c>dHiddenᵀ x</c> to down's gradient <c>[r, in]</c>, fp32.</summary>
    internal static void AddDownGradient(Tensor gradient, Tensor dHidden, Tensor x)
    {
        if (PackedOuter.Fit(dHidden, x)) PackedOuter.Add(gradient, dHidden, x, 1, rankLast: false, TorchRuntime.Threads);
        else Accumulate(gradient, dHidden, x, 1);
    }

    private static void Accumulate(Tensor target, Tensor left, Tensor right, float factor)
    {
        if (left.dtype == ScalarType.Float32) target.addmm_(left.t(), right, alpha: factor);
        else target.add_(left.t().mm(right), Held(factor));
    }
}
