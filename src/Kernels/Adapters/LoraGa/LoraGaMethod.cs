using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>LoRA-GA (Eq. 7-9).</summary>
internal sealed class LoraGaMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.LoraGa;

    internal override string PeftType => "LORA_GA";

    internal override void Validate(MethodSpec method)
    {
        if (method.Lora.Dora || method.Lora.MaxDeltaRatio is not null)
            throw new PeftException("method.lora: dora and max_delta_ratio have no meaning for lora_ga; remove them");
    }

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin) => AdapterConfigWriter.WriteOwn(json, origin, PeftType);

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) => new LoraGaLinear(site, context);

    internal override bool NeedsEstimate(MethodSpec method) => method.InitialAdapter is null && method.LoraGa.Initialization != LoraGaInitialization.Random;

    internal override LoraForm ExactLora(MethodSpec method) => new(LoraGaExport.Method(method), LoraGaExport.Tensors);
}
