using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>Products of rows with a matrix by blocks of columns, where one of our own ways fits their types and shapes.</summary>
internal static class BlockProducts
{
    /// <summary><c>x [T, in] → x Wᵀ [T, out]</c>, W <c>[out, in]</c>, in the caller's scope; null where none fits.</summary>
    internal static Tensor? Product(Tensor x, Tensor matrix) =>
        PackedBlocks.Fit(x, matrix, matrix.shape[0]) ? PackedBlocks.Product(x, matrix, null, 1, TorchRuntime.Threads)
        : ColumnBlocks.Fit(x, matrix, matrix.shape[0], TorchRuntime.Threads) ? ColumnBlocks.Product(x, matrix, TorchRuntime.Threads)
        : null;

    /// <summary>
    /// Adds <c>dy [T, out] W</c> to <paramref name="dx"/> <c>[T, in]</c>, or makes it in the caller's scope; null where none fits.
    /// </summary>
    internal static Tensor? InputGradient(Tensor dy, Tensor matrix, Tensor? dx) =>
        dx?.is_contiguous() == false ? null
        : PackedBlocks.Fit(dy, matrix, matrix.shape[1]) ? PackedBlocks.InputGradient(dy, matrix, dx, 1, TorchRuntime.Threads)
        : ColumnBlocks.Fit(dy, matrix, matrix.shape[1], TorchRuntime.Threads)
            ? ColumnBlocks.InputGradient(dy, matrix, dx, TorchRuntime.Threads)
        : null;
}
