using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>How much of a model a method trains.</summary>
public static class TrainedSizes
{
    /// <summary>Trainable parameters of the whole model.</summary>
    public static long Trainable(this ModelDimensions model, MethodSpec method) => MethodTraits.Of(method).TrainsBase
        ? (model.BlockParameters * model.Blocks)
            + (model.EmbeddingParameters * (model.Tied ? 1 : 2)) + model.EmbeddingNorms + model.HeadNorms
        : TargetModules.Blocks(model).Sum(block => model.TrainableInBlock(method, block));

    /// <summary>Trainable parameters of one block, from 0.</summary>
    public static long TrainableInBlock(this ModelDimensions model, MethodSpec method, int block)
    {
        var traits = MethodTraits.Of(method);
        return traits.TrainsBase
            ? model.BlockParameters
            : model.InBlock(method, block).Sum(adapted => traits.Trainable(adapted.Method, adapted.Linear));
    }

    /// <summary>Whether embedding and head are one trained shard.</summary>
    public static bool TrainsTiedEmbedding(this ModelDimensions model, MethodSpec method) =>
        MethodTraits.Of(method).TrainsBase && model.Tied;
}
