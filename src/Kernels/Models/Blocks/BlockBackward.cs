using Peft.Orleans.Kernels.Adapters;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>A backward pass of one microbatch through a block's linears.</summary>
/// <param name="linears">The linears.</param>
/// <param name="saved">What the forward pass left.</param>
internal readonly struct BlockBackward(IReadOnlyList<AdaptedLinear> linears, BlockSaved saved)
{
    internal BlockSaved Saved => saved;

    /// <summary>The layer's flat gradient, to which what trains adds; null: the pass is through the frozen base alone.</summary>
    internal Tensor? Gradient { get; init; }

    /// <summary>Takes base gradients, in a pass through the frozen base.</summary>
    internal BaseGradientEstimate? Estimate { get; init; }

    /// <summary>
    /// Through one linear: dL/dx, added to <paramref name="into"/> in place where that is given; null where it is not
    /// <paramref name="needed"/>.
    /// </summary>
    internal Tensor? Through(int index, Tensor x, Tensor dy, Tensor? into, bool needed = true) => Gradient is null
        ? linears[index].BackwardBase(x, dy, Estimate, into, needed)
        : linears[index].Backward(saved.Pass, x, saved.Linears[index], dy, Gradient, into, needed);
}
