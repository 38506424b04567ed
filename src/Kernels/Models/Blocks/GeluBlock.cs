using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Norms;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>
/// A block where one linear makes queries, keys and values, and the MLP's activation is GELU. Its linear modules are query_key_value,
/// output, up and down, in this order; attention's shape is fused.
/// </summary>
/// <inheritdoc cref="DecoderBlock(LayerPlace, ShardContext, Norm, Norm, CausalAttention, LinearRole[], IReadOnlyList{BaseTensor})"/>
[method: SetsRequiredMembers]
internal sealed class GeluBlock(LayerPlace place, ShardContext context, Norm inputNorm, Norm middleNorm, CausalAttention attention)
    : DecoderBlock(place, context, inputNorm, middleNorm, attention, Roles)
{
    private const int QueryKeyValue = 0, Up = 2, Down = 3;

    private static readonly LinearRole[] Roles = [LinearRole.QueryKeyValue, LinearRole.Output, LinearRole.Up, LinearRole.Down];

    protected override (Tensor Q, Tensor K, Tensor V) Project(LinearPass pass, Tensor h, BlockSaved? saved)
    {
        var all = Forward(QueryKeyValue, pass, h, saved);
        return (all, all, all);
    }

    protected override (Tensor Q, Tensor K, Tensor V) ProjectAgain(BlockSaved saved)
    {
        var all = Again(QueryKeyValue, saved);
        return (all, all, all);
    }

    protected override Tensor? ProjectBackward(
        BlockBackward pass,
        Tensor h,
        (Tensor Q, Tensor K, Tensor V) gradients,
        bool needsInput) => pass.Through(QueryKeyValue, h, gradients.Q, null, needsInput);

    protected override Tensor Widen(LinearPass pass, Tensor h, BlockSaved? saved)
    {
        using var scope = NewDisposeScope();
        var wide = Forward(Up, pass, h, saved);
        var product = Gelu.Forward(wide);
        if (saved is not null && !Linears[Up].RepeatsOutput) saved.Up = BlockSaved.Keep(wide);
        return product.MoveToOuterDisposeScope();
    }

    protected override Tensor MlpBackward(BlockBackward pass, Tensor dy, Func<Tensor> h)
    {
        using var scope = NewDisposeScope();
        var wide = pass.Saved.Up ?? Again(Up, pass.Saved);
        var product = Gelu.Forward(wide);
        var dProduct = pass.Through(Down, product, dy, null)!;
        product.Dispose();
        var dWide = Gelu.Backward(wide, dProduct);
        return pass.Through(Up, h(), dWide, null)!.MoveToOuterDisposeScope();
    }
}
