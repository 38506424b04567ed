using System.Globalization;
using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>LoRA-GA and output-side BOFT, mixed by a local coefficient λ (Alg. 2).</summary>
internal sealed class HybridTraits : MethodTraits
{
    public override MethodName Name => MethodName.Hybrid;

    public override string Title => "Hybrid";

    public override string? PeftType => "HYBRID";

    public override IEnumerable<BrokenRule> Check(MethodSpec method)
    {
        var lambda = method.Lambda;
        if (lambda.Min >= lambda.Max)
            yield return new(
                "method.lambda.min",
                string.Create(CultureInfo.InvariantCulture, $"min {lambda.Min} must be below max {lambda.Max}")
            );
        if (method.Boft.Parameterization == BoftParameterization.Projection)
            yield return new("method.boft.parameterization", "projection is not there for hybrid; write cayley, or leave it out");
        if (!lambda.BeginsFromGradients && lambda.InitialNumber is null)
            yield return new("method.lambda.initial", $"'{lambda.Initial}' is neither 'gradients' nor a number in (0, 1)");
        foreach (var broken in LoraTraits.RefuseOwn(method, Word).Concat(BoftTraits.CheckBlocks(method))) yield return broken;
    }

    public override IEnumerable<BrokenRule> CheckShape(MethodSpec method, string name, long d, long k) =>
        LoraGaTraits.CheckRank(method, name, d, k).Concat(BoftTraits.CheckGroups(method, name, d, "outputs"));

    public override long Trainable(MethodSpec method, LinearDimensions linear) =>
        LoraTraits.Factors(method, linear) + BoftTraits.Angles(method, linear.Out);

    public override bool NeedsEstimate(MethodSpec method) => LoraGaTraits.ReadsGradient(method)
        || (method.InitialAdapter is null && method.Lambda.Fixed is null && method.Lambda.InitialNumber is null);

    public override bool EstimatesWhole(MethodSpec method) => LoraGaTraits.HoldsGradient(method);

    public override bool KeepsBaseOutput(MethodSpec method) => true;

    public override bool RepeatsOutput(MethodSpec method) => true;
}
