using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>LoRA-GA (Eq. 7-9).</summary>
internal sealed class LoraGaMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.LoraGa;

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin) => AdapterConfigWriter.WriteOwn(json, origin, Traits);

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) => new LoraGaLinear(site, context);

    internal override LoraForm ExactLora(MethodSpec method) => new(LoraGaExport.Method(method), LoraGaExport.Tensors);
}
