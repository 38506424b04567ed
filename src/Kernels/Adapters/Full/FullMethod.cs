using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters.Full;

/// <summary>Full fine-tuning: every weight of the model trains.</summary>
internal sealed class FullMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.Full;

    internal override string? PeftType => null;

    internal override bool TrainsModel => true;

    internal override void Validate(MethodSpec method)
    {
        if (method.InitialAdapter is not null)
            throw new PeftException("method.initial_adapter has no meaning for method full: point model.path at the folder to start from");
    }

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) => new FullLinear(site, context);

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin) =>
        throw new PeftException($"method full leaves a model, not an adapter; methods with one: {string.Join(", ", AdapterMethods.WithAdapter)}");
}
