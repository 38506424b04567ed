using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Bloom;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Blocks;
using Peft.Orleans.Kernels.Models.Norms;

namespace Peft.Orleans.Kernels.Models.Bloom;

/// <summary>
/// The BLOOM family: blocks with a fused projection and GELU behind LayerNorm, no positions but ALiBi's distances, a norm after the
/// embedding.
/// </summary>
internal sealed class BloomFamily : ModelFamily
{
    internal override string Name => "bloom";

    internal override LayerShard Block(LayerPlace place, ShardContext context)
    {
        var (config, model) = (Config(context), context.Setup.Model);
        var (heads, tensors) = (config.NumAttentionHeads, model.Tensors(place.Layer));
        var shape = new AttentionShape(heads, heads, model.Dimensions.HeadDim) { Slopes = AlibiSlopes.Of(heads), Fused = true };
        return new GeluBlock(
            place,
            context,
            Norm(context, [tensors[0], tensors[1]]),
            Norm(context, [tensors[2], tensors[3]]),
            new CausalAttention(shape, null, context.Compute, context.Device))
        {
            NormedResidual = config.ApplyResidualConnectionPostLayernorm,
        };
    }

    internal override Norm Norm(ShardContext context, IReadOnlyList<ModelTensor> tensors) =>
        new LayerNorm(new BaseTensor(tensors[0], context), new BaseTensor(tensors[1], context), Config(context).LayerNormEpsilon);

    private static BloomConfig Config(ShardContext context) => context.Setup.Model.Config<BloomConfig>();
}
