using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>How much of a model a method trains.</summary>
public static class TrainedSizes
{
    /// <summary>Trainable parameters of the whole model.</summary>
    public static long Trainable(this ModelDimensions model, MethodSpec method) => MethodTraits.Of(method).TrainsBase
        ? (model.BlockParameters * model.Blocks)
            + (model.EmbeddingParameters * (model.Tied ? 1 : 2)) + model.EmbeddingNorms + model.HeadNorms
        : model.TrainablePerBlock(method) * model.Blocks;

    /// <summary>Trainable parameters of one block.</summary>
    public static long TrainablePerBlock(this ModelDimensions model, MethodSpec method)
    {
        var traits = MethodTraits.Of(method);
        return traits.TrainsBase
            ? model.BlockParameters
            : model.Linears
                .Where(linear => TargetModules.Targets(method, linear.Name))
                .Sum(linear => traits.Trainable(method, linear));
    }

    /// <summary>Whether embedding and head are one trained shard.</summary>
    public static bool TrainsTiedEmbedding(this ModelDimensions model, MethodSpec method) =>
        MethodTraits.Of(method).TrainsBase && model.Tied;
}
