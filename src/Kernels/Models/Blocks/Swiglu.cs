using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Rows;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>The MLP's activation <c>silu(gate) ⊙ up</c> over rows <c>[T, intermediate]</c>.</summary>
internal static class Swiglu
{
    /// <summary>The product, in the caller's scope.</summary>
    internal static Tensor Forward(Tensor gate, Tensor up) =>
        Lanes.Fit(gate, gate.shape[1]) ? GateLoops.Forward(gate, up) : gate.silu().mul_(up);

    /// <summary>Gradients of gate and up, in the caller's scope; <paramref name="dProduct"/> is written over.</summary>
    internal static (Tensor Gate, Tensor Up) Backward(Tensor gate, Tensor up, Tensor dProduct)
    {
        if (Lanes.Fit(gate, gate.shape[1])) return GateLoops.Backward(gate, up, dProduct);
        var dUp = gate.silu().mul_(dProduct);
        return (Dispatcher.SiluBackward(dProduct.mul_(up), gate), dUp);
    }
}
