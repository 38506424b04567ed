using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>The model as the planner sees it.</summary>
public static class ModelLayers
{
    /// <summary>
    /// Layer shards and pipeline stages of a model. Embedding, blocks, head; trained tied embeddings are one parameter in one shard, to which
    /// the chain returns. A block costs its parameters; the embedding is a lookup.
    /// </summary>
    public static PlanModel Of(LlamaConfig config, RunSpec spec)
    {
        var blocks = config.NumHiddenLayers;
        var queries = (double)config.NumAttentionHeads * config.HeadDim * config.HiddenSize;
        var keys = (double)config.NumKeyValueHeads * config.HeadDim * config.HiddenSize;
        var block = (2 * queries) + (2 * keys) + (3.0 * config.HiddenSize * config.IntermediateSize);
        var head = (double)config.VocabSize * config.HiddenSize / block;
        var tied = spec.Method.Name == MethodName.Full && config.TieWordEmbeddings;
        var costs = Enumerable.Repeat(1.0, blocks).Prepend(tied ? head : 0.05);
        var stages = Enumerable.Range(0, blocks + 1);
        return tied
            ? new PlanModel([.. costs], [.. stages, 0])
            : new PlanModel([.. costs, head], [.. stages, blocks + 1]);
    }
}
