using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>An adapter written as plain LoRA, which PEFT and servers load.</summary>
/// <param name="Method">Options of that LoRA adapter.</param>
/// <param name="Tensors">
/// Its tensors, made from the adapter's, in the order of their names; owned by the caller, one pair at a time. Throws
/// <see cref="PeftException"/> where the folder holds no adapter of the method, or a factor is missing.
/// </param>
public sealed record LoraForm(MethodSpec Method, Func<AdapterTensors, IEnumerable<(string Name, Tensor Value)>> Tensors)
{
    /// <summary>The adapter of a method exactly as plain LoRA on the unmodified base; null where there is no such form.</summary>
    public static LoraForm? Exact(MethodSpec method) => AdapterMethods.Of(method).ExactLora(method);

    /// <summary>
    /// Options of the LoRA adapter of some rank that approximates another: its scale is 1, factors are written as they add to the weight.
    /// </summary>
    public static MethodSpec Approximate(MethodSpec method, int rank) =>
        MethodTable.Lora(method.TargetModules, new LoraSpec { Rank = rank, Alpha = rank });
}
