using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>Products whose TorchSharp form needs care.</summary>
internal static class BatchedProducts
{
    /// <summary><c>input + alpha · left right</c> over a batch; input is broadcast.</summary>
    /// <remarks>TorchSharp 0.107.0 hands baddbmm's arguments to libtorch in the order batch1, batch2, input.</remarks>
    internal static Tensor Add(Tensor input, Tensor left, Tensor right, float alpha) => left.baddbmm(right, input, beta: 1, alpha: alpha);
}
