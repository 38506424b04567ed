using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>Unitary layers (Eq. 10-12, Alg. 1).</summary>
internal sealed class UrnnMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.Urnn;

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin) => AdapterConfigWriter.WriteOwn(json, origin, Traits);

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted)
    {
        foreach (var broken in RunRules.CheckShapes(context.Method, [(site.Name, site.Out, site.In)]))
            throw new PeftException($"{broken.Key}: {broken.Message}");
        return context.Method.Urnn.Mode == UrnnMode.Replace ? new UrnnReplacement(site, context) : new UrnnLinear(site, context);
    }
}
