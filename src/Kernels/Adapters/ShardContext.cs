using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Weights;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>What building a shard needs to know.</summary>
/// <param name="Setup">The model and how it is adapted.</param>
/// <param name="Adapters">The setup's method.</param>
/// <param name="Weights">Base weights.</param>
/// <param name="Held">Type in which frozen weights are held.</param>
/// <param name="Compute">Type of activations and products.</param>
/// <param name="Device">Device.</param>
internal sealed record ShardContext(
    ModelSetup Setup, AdapterMethod Adapters, WeightSource Weights, ScalarType Held, ScalarType Compute, Device Device)
{
    /// <summary>The method's options.</summary>
    internal MethodSpec Method => Setup.Method;

    /// <summary>The context of one module, with the options that hold for it.</summary>
    internal ShardContext At(LinearSite site) => this with { Setup = Setup with { Method = Method.At(site.Name) } };
}
