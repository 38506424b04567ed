using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Llama;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Blocks;
using Peft.Orleans.Kernels.Models.Norms;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>The Llama family: gated blocks behind RMSNorm, rotary positions, grouped queries.</summary>
internal sealed class LlamaFamily : ModelFamily
{
    internal override string Name => "llama";

    internal override LayerShard Block(LayerPlace place, ShardContext context)
    {
        var config = Config(context);
        var tensors = context.Setup.Model.Tensors(place.Layer);
        var attention = new CausalAttention(
            new AttentionShape(config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim),
            new RotaryTable(config.HeadDim, config.RopeTheta, config.RopeScaling, context.Device),
            context.Compute,
            context.Device);
        return new GatedBlock(place, context, Norm(context, [tensors[0]]), Norm(context, [tensors[1]]), attention);
    }

    internal override Norm Norm(ShardContext context, IReadOnlyList<ModelTensor> tensors) =>
        new RmsNorm(new BaseTensor(tensors[0], context), Config(context).RmsNormEps);

    private static LlamaConfig Config(ShardContext context) => context.Setup.Model.Config<LlamaConfig>();
}
