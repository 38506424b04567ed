using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Norms;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>
/// A block with a SwiGLU MLP; queries and keys may pass a norm. Its linear modules are q, k, v, o, gate, up and down, in this order.
/// </summary>
/// <inheritdoc cref="DecoderBlock(LayerPlace, ShardContext, Norm, Norm, CausalAttention, LinearRole[], IReadOnlyList{BaseTensor})"/>
[method: SetsRequiredMembers]
internal sealed class GatedBlock(
    LayerPlace place,
    ShardContext context,
    Norm inputNorm,
    Norm middleNorm,
    CausalAttention attention,
    HeadNorm? queryNorm = null,
    HeadNorm? keyNorm = null
) : DecoderBlock(place, context, inputNorm, middleNorm, attention, Roles, [.. queryNorm?.Tensors ?? [], .. keyNorm?.Tensors ?? []])
{
    private const int Q = 0, K = 1, V = 2, Gate = 4, Up = 5, Down = 6;

    private static readonly LinearRole[] Roles =
    [
        LinearRole.Query, LinearRole.Key, LinearRole.Value, LinearRole.Output, LinearRole.Gate, LinearRole.Up, LinearRole.Down,
    ];

    protected override (Tensor Q, Tensor K, Tensor V) Project(LinearPass pass, Tensor h, BlockSaved? saved)
    {
        var (q, k, v) = (Forward(Q, pass, h, saved), Forward(K, pass, h, saved), Forward(V, pass, h, saved));
        return (Normed(queryNorm, Q, q, saved?.Queries), Normed(keyNorm, K, k, saved?.Keys), v);

        Tensor Normed(HeadNorm? norm, int index, Tensor rows, HeadRows? kept) => norm is null
            ? rows
            : norm.Forward(pass.Version, rows, kept, keep: !Linears[index].RepeatsOutput);
    }

    protected override (Tensor Q, Tensor K, Tensor V) ProjectAgain(BlockSaved saved)
    {
        return (Normed(queryNorm, Q, saved.Queries), Normed(keyNorm, K, saved.Keys), Again(V, saved));

        Tensor Normed(HeadNorm? norm, int index, HeadRows kept)
        {
            var rows = Again(index, saved);
            return norm is null ? rows : norm.Apply(saved.Pass.Version, rows, kept);
        }
    }

    protected override Tensor? ProjectBackward(
        BlockBackward pass,
        Tensor h,
        (Tensor Q, Tensor K, Tensor V) gradients,
        bool needsInput)
    {
        var dh = pass.Through(Q, h, BeforeNorm(queryNorm, Q, gradients.Q, pass.Saved.Queries), null, needsInput);
        dh = pass.Through(K, h, BeforeNorm(keyNorm, K, gradients.K, pass.Saved.Keys), dh, needsInput);
        return pass.Through(V, h, gradients.V, dh, needsInput);

        Tensor BeforeNorm(HeadNorm? norm, int index, Tensor gradient, HeadRows kept) => norm is null
            ? gradient
            : norm.Backward(pass.Saved.Pass.Version, gradient, kept.Rows ?? Again(index, pass.Saved), kept, pass.Gradient);
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
