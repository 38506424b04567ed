using Peft.Orleans.Core.Planning;

namespace Peft.Orleans.Data.Models.Llama;

/// <summary>A Llama configuration as plan and memory model see it.</summary>
public static class LlamaDimensions
{
    /// <summary>The sizes.</summary>
    public static ModelDimensions Of(LlamaConfig config) => LlamaArchitecture.Describe(config).Dimensions;
}
