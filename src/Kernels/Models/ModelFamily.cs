using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Norms;

namespace Peft.Orleans.Kernels.Models;

/// <summary>
/// A family of models as it computes: makes layer shards from a checkpoint's folder, of what families share. A family is a folder; one line
/// of
/// <see cref="FamilyTable"/> registers it.
/// </summary>
internal abstract class ModelFamily
{
    /// <summary><c>model_type</c> of its configurations, as in Data's table.</summary>
    internal abstract string Name { get; }

    /// <summary>A decoder block, of the kind that <see cref="IBlock"/> asks for.</summary>
    internal abstract LayerShard Block(LayerPlace place, ShardContext context);

    /// <summary>A norm from its weights, in the order in which the family describes them.</summary>
    internal abstract Norm Norm(ShardContext context, IReadOnlyList<ModelTensor> tensors);

    /// <summary>Layer 0.</summary>
    internal virtual LayerShard Embedding(ShardContext context) => new EmbeddingShard(context, EmbeddingNorm(context));

    /// <summary>The last layer.</summary>
    internal virtual LayerShard Head(LayerPlace place, ShardContext context) => new HeadShard(place, context, FinalNorm(context));

    /// <summary>Layer 0 where trained tied embeddings are one parameter: <see cref="IEmbedding"/> and <see cref="IHead"/>.</summary>
    internal virtual LayerShard Tied(ShardContext context) => new TiedShard(context, EmbeddingNorm(context), FinalNorm(context));

    /// <summary>The norm before the head.</summary>
    protected Norm FinalNorm(ShardContext context) => Norm(context, NormTensors(context, context.Setup.Model.LayerCount - 1));

    /// <summary>The norm after the embedding; null: the family describes none.</summary>
    protected Norm? EmbeddingNorm(ShardContext context) =>
        NormTensors(context, 0) is { Length: > 0 } tensors ? Norm(context, tensors) : null;

    private static ModelTensor[] NormTensors(ShardContext context, int layer) =>
        [.. context.Setup.Model.Tensors(layer).Where(static tensor => tensor.Kind is TensorKind.NormWeight or TensorKind.NormBias)];
}
