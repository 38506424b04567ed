using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters.Boft;
using Peft.Orleans.Kernels.Adapters.Full;
using Peft.Orleans.Kernels.Adapters.Hybrid;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Adapters.Urnn;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>The registration table: a new method adds its folder and one line here.</summary>
internal static class AdapterMethods
{
    private static readonly Dictionary<MethodName, AdapterMethod> Registered = new AdapterMethod[]
    {
        new LoraMethod(),
        new HybridMethod(),
        new FullMethod(),
        new UrnnMethod(),
        new LoraGaMethod(),
        new BoftMethod(),
    }.ToDictionary(static method => method.Name);

    /// <summary>The methods of this version.</summary>
    internal static IReadOnlyCollection<MethodName> Names => Registered.Keys;

    /// <exception cref="PeftException">The method is not in this version.</exception>
    internal static AdapterMethod Of(MethodSpec method) =>
        Registered.TryGetValue(method.Name, out var found)
            ? found
            : throw new PeftException(
                $"method.name: {MethodTraits.Of(method).Word} is not supported by this version; supported: {string.Join(", ", Words)}"
            );

    private static IEnumerable<string> Words => Registered.Values.Select(static method => method.Traits.Word);
}
