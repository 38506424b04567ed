using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>The forms of BOFT's adapter files.</summary>
internal enum BoftForm
{
    /// <summary>Input side from Cayley transforms: PEFT's.</summary>
    Peft,

    /// <summary>Output side, or projected blocks: PEFT has neither, and would load such a file as the identity without an error.</summary>
    Own,
}

/// <summary>BOFT (Eq. 3-6).</summary>
internal sealed class BoftMethod(BoftForm form) : AdapterMethod
{
    internal override string PeftType => form == BoftForm.Peft ? "BOFT" : "BUTTERFLY";

    internal override AdapterMethod For(MethodSpec method) => FormOf(method.Boft) == form ? this : new BoftMethod(FormOf(method.Boft));

    internal override void Validate(MethodSpec method)
    {
    }

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) =>
        context.Spec.Method.Boft.Side == BoftSide.Input ? new BoftInputLinear(site, context) : new BoftOutputLinear(site, context);

    internal static BoftForm FormOf(BoftSpec options) =>
        options is { Side: BoftSide.Input, Parameterization: BoftParameterization.Cayley } ? BoftForm.Peft : BoftForm.Own;
}
