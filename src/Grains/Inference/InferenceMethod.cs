using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Grains.Inference;

/// <summary>The method section with which a model is seated that does not train.</summary>
internal static class InferenceMethod
{
    /// <summary>The frozen base: LoRA on no module.</summary>
    internal static MethodSpec Frozen => Core.Methods.MethodTable.Frozen;

    /// <summary>The adapter's own, with its folder as initial adapter; without a folder the frozen base.</summary>
    /// <exception cref="Core.PeftException">The folder is no adapter of this model that this version computes; names file and key or
    /// tensor.</exception>
    internal static MethodSpec Of(string? adapterFolder, ModelFolder model) => adapterFolder is null
        ? Frozen
        : AdapterFolder.Read(adapterFolder).MethodIn(model);
}
