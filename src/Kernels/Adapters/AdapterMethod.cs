using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>
/// A fine-tuning method as far as tensors and adapter files go: which linear a module becomes, the layer's own state (λ), and the form of
/// its files; what it is like without them is its <see cref="MethodTraits"/>. A method is a folder; one line of
/// <see cref="AdapterMethods"/> registers it.
/// </summary>
internal abstract class AdapterMethod
{
    /// <summary>The method's name in the run file.</summary>
    internal abstract MethodName Name { get; }

    /// <summary>What it is like without tensors.</summary>
    internal MethodTraits Traits => MethodTable.Of(Name);

    /// <summary>The linear of a module; <paramref name="adapted"/> counts the adapted modules of the layer before it.</summary>
    internal abstract AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted);

    /// <summary>Number of λ of a layer with so many adapted modules.</summary>
    internal virtual int LambdaCount(MethodSpec method, int adapted) => 0;

    /// <summary>Writes λ of version 0.</summary>
    internal virtual void InitializeLambda(
        MethodSpec method,
        LayerVersion version,
        IReadOnlyList<AdaptedLinear> linears,
        BaseGradientEstimate? estimate
    )
    { }

    /// <summary>λ for the next step, from a reduced gradient.</summary>
    internal virtual double[] NextLambda(
        MethodSpec method,
        LayerVersion version,
        IReadOnlyList<AdaptedLinear> linears,
        Tensor gradient
    ) => [];

    /// <summary>Names of the λ tensors in the adapter file, one for each λ.</summary>
    /// <param name="method">Options.</param>
    /// <param name="layerPrefix">What the names of the layer's modules begin with: <c>model.layers.3.</c></param>
    /// <param name="linears">The layer's linears.</param>
    internal virtual IReadOnlyList<string> LambdaNames(MethodSpec method, string layerPrefix, IReadOnlyList<AdaptedLinear> linears) => [];

    /// <summary>Writes the keys of <c>adapter_config.json</c>.</summary>
    /// <exception cref="PeftException">The method leaves no adapter.</exception>
    internal abstract void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin);

    /// <summary>The adapter exactly as plain LoRA on the unmodified base; null where it has no such form.</summary>
    internal virtual LoraForm? ExactLora(MethodSpec method) => null;
}

/// <summary>What an adapter's configuration tells of where it comes from.</summary>
/// <param name="Method">Its options.</param>
/// <param name="Model">The base model.</param>
internal sealed record AdapterOrigin(MethodSpec Method, ModelFolder Model);
