using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Planning;

/// <summary>What the plan needs to know of the model.</summary>
/// <param name="LayerCosts">Relative time of each layer shard (embedding, blocks, head), in units of a block's products.</param>
/// <param name="Positions">Layer at each position of the chain.</param>
public sealed record PlanModel(double[] LayerCosts, int[] Positions)
{
    /// <summary>
    /// Layer shards and their positions in the chain: embedding, blocks, head; trained tied embeddings are one parameter in one shard, to
    /// which the chain returns. A block costs its parameters; the embedding is a lookup.
    /// </summary>
    public static PlanModel Of(ModelDimensions model, MethodSpec method)
    {
        var head = (double)model.EmbeddingParameters / model.BlockParameters;
        var tied = model.TrainsTiedEmbedding(method);
        var costs = Enumerable.Repeat(1.0, model.Blocks).Prepend(tied ? head : 0.05);
        var positions = Enumerable.Range(0, model.Blocks + 1);
        return tied
            ? new PlanModel([.. costs], [.. positions, 0])
            : new PlanModel([.. costs, head], [.. positions, model.Blocks + 1]);
    }
}
