using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Gated;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Blocks;
using Peft.Orleans.Kernels.Models.Norms;

namespace Peft.Orleans.Tests;

/// <summary>A family that the product does not know, as Data reads it: a Llama whose norms have a shift too.</summary>
internal sealed class LayerNormArchitecture : ModelArchitecture
{
    public override string Family => "layernorm_llama";

    public override string Architecture => "LayerNormLlamaForCausalLM";

    public override ModelDescription Describe(ConfigReader config)
    {
        var llama = ModelFamilies.All.Single(static family => family.Family == "llama").Describe(config);
        return llama with
        {
            BlockTensors = [.. llama.BlockTensors.SelectMany(Shifted)],
            HeadTensors = [.. llama.HeadTensors.SelectMany(Shifted)],
        };
    }

    private static ModelTensor[] Shifted(ModelTensor tensor) => tensor.Kind == TensorKind.NormWeight
        ? [tensor, tensor with { Name = tensor.Name.Replace(".weight", ".bias", StringComparison.Ordinal), Kind = TensorKind.NormBias }]
        : [tensor];
}

/// <summary>The same family as Kernels computes it: the gated block behind LayerNorm.</summary>
internal sealed class LayerNormFamily : ModelFamily
{
    internal override string Name => "layernorm_llama";

    internal override LayerShard Block(LayerPlace place, ShardContext context)
    {
        var (tensors, config) = (context.Setup.Model.Tensors(place.Layer), context.Setup.Model.Config<GatedConfig>());
        var shape = new AttentionShape(config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim);
        var rotary = new RotaryTable(config.HeadDim, config.RopeTheta, config.RopeScaling, context.Device);
        var attention = new CausalAttention(shape, rotary, context.Compute, context.Device);
        return new GatedBlock(place, context, Norm(context, [tensors[0], tensors[1]]), Norm(context, [tensors[2], tensors[3]]), attention);
    }

    internal override Norm Norm(ShardContext context, IReadOnlyList<ModelTensor> tensors) =>
        new LayerNorm(new BaseTensor(tensors[0], context), new BaseTensor(tensors[1], context), 1e-5);

    /// <summary>Both registration lines.</summary>
    internal static void Register()
    {
        ModelFamilies.Register(new LayerNormArchitecture());
        FamilyTable.Register(new LayerNormFamily());
    }
}
