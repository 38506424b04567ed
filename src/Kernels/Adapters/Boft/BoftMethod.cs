using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>The forms of BOFT's adapter files.</summary>
internal enum BoftForm
{
    /// <summary>Input side from Cayley transforms: PEFT's.</summary>
    Peft,

    /// <summary>
    /// Output side, or projected blocks, which PEFT does not have: the configuration carries our <c>method</c> and no size of blocks, so that PEFT
    /// refuses it, and the tensors have names of their own.
    /// </summary>
    Own,
}

/// <summary>BOFT (Eq. 3-6).</summary>
internal sealed class BoftMethod : AdapterMethod
{
    internal override string PeftType => "BOFT";

    internal override void Validate(MethodSpec method)
    {
    }

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) =>
        context.Spec.Method.Boft.Side == BoftSide.Input ? new BoftInputLinear(site, context) : new BoftOutputLinear(site, context);

    internal static BoftForm FormOf(BoftSpec options) =>
        options is { Side: BoftSide.Input, Parameterization: BoftParameterization.Cayley } ? BoftForm.Peft : BoftForm.Own;
}
