using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Tests;

/// <summary>Sizes of models whose blocks have the seven linear modules of a Llama.</summary>
internal static class LlamaShaped
{
    /// <summary>Their names, in the order of the block.</summary>
    internal static readonly IReadOnlyList<string> Modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    internal static ModelDimensions Of(
        int hidden,
        int wide,
        int blocks,
        int heads,
        int keyValueHeads,
        int vocabulary,
        bool tied,
        int headDim = 0
    )
    {
        var width = headDim == 0 ? hidden / heads : headDim;
        return new ModelDimensions
        {
            HiddenSize = hidden,
            IntermediateSize = wide,
            Blocks = blocks,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadDim = width,
            Vocabulary = vocabulary,
            Tied = tied,
            BlockNorms = 2 * hidden,
            HeadNorms = hidden,
            Linears =
            [
                new("q_proj", heads * width, hidden, false, LinearRole.Query),
                new("k_proj", keyValueHeads * width, hidden, false, LinearRole.Key),
                new("v_proj", keyValueHeads * width, hidden, false, LinearRole.Value),
                new("o_proj", hidden, heads * width, false, LinearRole.Output),
                new("gate_proj", wide, hidden, false, LinearRole.Gate),
                new("up_proj", wide, hidden, false, LinearRole.Up),
                new("down_proj", hidden, wide, false, LinearRole.Down),
            ],
        };
    }
}
