using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Norms;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>A block with a SwiGLU MLP. Its linear modules are q, k, v, o, gate, up and down, in this order.</summary>
/// <inheritdoc cref="DecoderBlock(LayerPlace, ShardContext, Norm, Norm, CausalAttention, LinearRole[])"/>
[method: SetsRequiredMembers]
internal sealed class GatedBlock(LayerPlace place, ShardContext context, Norm inputNorm, Norm middleNorm, CausalAttention attention)
    : DecoderBlock(place, context, inputNorm, middleNorm, attention, Roles)
{
    private const int Q = 0, K = 1, V = 2, Gate = 4, Up = 5, Down = 6;

    private static readonly LinearRole[] Roles =
    [
        LinearRole.Query, LinearRole.Key, LinearRole.Value, LinearRole.Output, LinearRole.Gate, LinearRole.Up, LinearRole.Down,
    ];

    protected override (Tensor Q, Tensor K, Tensor V) Project(LinearPass pass, Tensor h, BlockSaved? saved) =>
        (Forward(Q, pass, h, saved), Forward(K, pass, h, saved), Forward(V, pass, h, saved));

    protected override (Tensor Q, Tensor K, Tensor V) ProjectAgain(BlockSaved saved) =>
        (Again(Q, saved), Again(K, saved), Again(V, saved));

    protected override Tensor? ProjectBackward(
        BlockBackward pass,
        Tensor h,
        (Tensor Q, Tensor K, Tensor V) gradients,
        bool needsInput)
    {
        var dh = pass.Through(Q, h, gradients.Q, null, needsInput);
        dh = pass.Through(K, h, gradients.K, dh, needsInput);
        return pass.Through(V, h, gradients.V, dh, needsInput);
    }

    protected override Tensor Widen(LinearPass pass, Tensor h, BlockSaved? saved)
    {
        using var scope = NewDisposeScope();
        var (gate, up) = (Forward(Gate, pass, h, saved), Forward(Up, pass, h, saved));
        var product = Swiglu.Forward(gate, up);
        if (saved is not null)
        {
            if (!Linears[Gate].RepeatsOutput) saved.Gate = BlockSaved.Keep(gate);
            if (!Linears[Up].RepeatsOutput) saved.Up = BlockSaved.Keep(up);
        }

        return product.MoveToOuterDisposeScope();
    }

    protected override Tensor MlpBackward(BlockBackward pass, Tensor dy, Func<Tensor> h)
    {
        using var scope = NewDisposeScope();
        var saved = pass.Saved;
        var (gate, up) = (saved.Gate ?? Again(Gate, saved), saved.Up ?? Again(Up, saved));
        var product = Swiglu.Forward(gate, up);
        var dProduct = pass.Through(Down, product, dy, null)!;
        product.Dispose();
        var (dGate, dUp) = Swiglu.Backward(gate, up, dProduct);
        if (saved.Gate is null) gate.Dispose();
        if (saved.Up is null) up.Dispose();
        var rows = h();
        var dh = pass.Through(Gate, rows, dGate, null);
        return pass.Through(Up, rows, dUp, dh)!.MoveToOuterDisposeScope();
    }
}
