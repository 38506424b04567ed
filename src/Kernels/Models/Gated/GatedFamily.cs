using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Gated;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Blocks;
using Peft.Orleans.Kernels.Models.Norms;

namespace Peft.Orleans.Kernels.Models.Gated;

/// <summary>
/// A family of <see cref="GatedConfig"/>: gated blocks behind RMSNorm, rotary positions, grouped queries; norms of heads and windows where
/// the configuration has them.
/// </summary>
internal abstract class GatedFamily(string name) : ModelFamily
{
    internal sealed override string Name => name;

    internal sealed override LayerShard Block(LayerPlace place, ShardContext context)
    {
        var config = Config(context);
        var tensors = context.Setup.Model.Tensors(place.Layer);
        var shape = new AttentionShape(config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim)
        {
            Window = config.WindowOf(place.Layer - 1) ?? int.MaxValue,
        };
        var rotary = new RotaryTable(config.HeadDim, config.RopeTheta, config.RopeScaling, context.Device);
        var attention = new CausalAttention(shape, rotary, context.Compute, context.Device);
        var norms = Array.ConvertAll([.. tensors], tensor => Norm(context, [tensor]));
        HeadNorm? HeadNorm(int index) => config.HeadNorms ? new HeadNorm(norms[index], config.HeadDim) : null;
        return new GatedBlock(place, context, norms[0], norms[1], attention, HeadNorm(2), HeadNorm(3));
    }

    internal sealed override Norm Norm(ShardContext context, IReadOnlyList<ModelTensor> tensors) =>
        new RmsNorm(new BaseTensor(tensors[0], context), Config(context).RmsNormEps);

    private static GatedConfig Config(ShardContext context) => context.Setup.Model.Config<GatedConfig>();
}
