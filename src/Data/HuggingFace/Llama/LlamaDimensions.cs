using Peft.Orleans.Core.Planning;

namespace Peft.Orleans.Data.HuggingFace;

/// <summary>A Llama configuration as plan and memory model see it.</summary>
public static class LlamaDimensions
{
    /// <summary>The sizes.</summary>
    public static ModelDimensions Of(LlamaConfig config) => new()
    {
        HiddenSize = config.HiddenSize,
        IntermediateSize = config.IntermediateSize,
        Blocks = config.NumHiddenLayers,
        Heads = config.NumAttentionHeads,
        KeyValueHeads = config.NumKeyValueHeads,
        HeadDim = config.HeadDim,
        Vocabulary = config.VocabSize,
        Tied = config.TieWordEmbeddings,
    };
}
