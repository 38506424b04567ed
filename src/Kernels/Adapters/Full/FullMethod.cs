using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters.Full;

/// <summary>Full fine-tuning: every weight of the model trains.</summary>
internal sealed class FullMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.Full;

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) => new FullLinear(site, context);

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin) =>
        throw new PeftException($"method {Traits.Word} leaves a model, not an adapter; methods with one: {string.Join(", ", WithAdapter)}");

    private static IEnumerable<string> WithAdapter =>
        MethodTable.All.Where(static traits => traits.PeftType is not null).Select(static traits => traits.Word);
}
