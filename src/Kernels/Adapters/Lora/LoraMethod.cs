using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters.Dora;

namespace Peft.Orleans.Kernels.Adapters.Lora;

/// <summary>LoRA (Eq. 1-2) and, with <c>dora</c>, its weight-decomposed form.</summary>
internal sealed class LoraMethod : AdapterMethod
{
    internal override string PeftType => "LORA";

    internal override void Validate(MethodSpec method)
    {
        if (method.Lora is { Dora: true, MaxDeltaRatio: not null })
            throw new PeftException("method.lora.max_delta_ratio bounds s·B·A, which is not the whole change of weights with dora; remove one of the two");
    }

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) =>
        context.Spec.Method.Lora.Dora ? new DoraLinear(site, context) : new LoraLinear(site, context);
}
