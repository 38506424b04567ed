using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters.Boft;
using Peft.Orleans.Kernels.Adapters.Full;
using Peft.Orleans.Kernels.Adapters.Hybrid;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Adapters.None;
using Peft.Orleans.Kernels.Adapters.Urnn;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>A fine-tuning method as the layer shards see it: which linear a module becomes, and the layer's own state (λ).</summary>
internal abstract class AdapterMethod
{
    /// <summary>The registration table: a new method adds its folder and one line here.</summary>
    private static readonly Dictionary<MethodName, AdapterMethod> Registered = new()
    {
        [MethodName.Lora] = new LoraMethod(),
        [MethodName.Hybrid] = new HybridMethod(),
        [MethodName.Full] = new FullMethod(),
        [MethodName.Urnn] = new UrnnMethod(),
        [MethodName.LoraGa] = new LoraGaMethod(),
        [MethodName.Boft] = new BoftMethod(),
    };

    /// <summary>The methods of this version.</summary>
    internal static IReadOnlyCollection<MethodName> Names => Registered.Keys;

    /// <summary><c>peft_type</c> of its adapter files; null: it leaves a model, no adapter.</summary>
    internal abstract string? PeftType { get; }

    /// <exception cref="PeftException">The method is not in this version.</exception>
    internal static AdapterMethod Of(MethodSpec method) => Registered.TryGetValue(method.Name, out var found)
        ? found
        : throw new PeftException($"method.name: {method.Name.ToString().ToLowerInvariant()} is not supported by this version; supported: {string.Join(", ", Registered.Keys.Select(static name => name.ToString().ToLowerInvariant()))}");

    /// <summary>Refuses options that this version lacks.</summary>
    internal abstract void Validate(MethodSpec method);

    /// <summary>The linear of a module; <paramref name="adapted"/> counts the adapted modules of the layer before it.</summary>
    internal virtual AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) => new PlainLinear(site, context);

    /// <summary>Whether version 0 needs the gradient of the base.</summary>
    internal virtual bool NeedsEstimate(MethodSpec method) => false;

    /// <summary>Number of λ of a layer with so many adapted modules.</summary>
    internal virtual int LambdaCount(MethodSpec method, int adapted) => 0;

    /// <summary>Writes λ of version 0.</summary>
    internal virtual void InitializeLambda(MethodSpec method, LayerVersion version, IReadOnlyList<AdaptedLinear> linears, BaseGradientEstimate? estimate)
    {
    }

    /// <summary>λ for the next step, from a reduced gradient.</summary>
    internal virtual double[] NextLambda(MethodSpec method, LayerVersion version, IReadOnlyList<AdaptedLinear> linears, Tensor gradient) => [];

    /// <summary>Names of the λ tensors in the adapter file, one for each λ.</summary>
    internal virtual IReadOnlyList<string> LambdaNames(MethodSpec method, int layer, IReadOnlyList<AdaptedLinear> linears) => [];

    private sealed class FullMethod : AdapterMethod
    {
        internal override string? PeftType => null;

        internal override void Validate(MethodSpec method)
        {
            if (method.InitialAdapter is not null) throw new PeftException("method.initial_adapter has no meaning for method full: point model.path at the folder to start from");
        }

        internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) => new FullLinear(site, context);
    }
}
