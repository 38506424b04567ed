using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>LoRA with gradient-approximated initialisation (Eq. 7-9).</summary>
internal sealed class LoraGaTraits : MethodTraits
{
    public override MethodName Name => MethodName.LoraGa;

    public override string Title => "LoRA-GA";

    public override string? PeftType => "LORA_GA";

    public override IEnumerable<BrokenRule> Check(MethodSpec method) => LoraTraits.RefuseOwn(method, Word);

    public override IEnumerable<BrokenRule> CheckShape(MethodSpec method, string name, long d, long k) => CheckRank(method, name, d, k);

    public override long Trainable(MethodSpec method, LinearDimensions linear) => LoraTraits.Factors(method, linear);

    public override bool NeedsEstimate(MethodSpec method) => ReadsGradient(method);

    public override bool EstimatesWhole(MethodSpec method) => HoldsGradient(method);

    /// <summary>Whether the initialisation reads the gradient of the base.</summary>
    internal static bool ReadsGradient(MethodSpec method) =>
        method.InitialAdapter is null && method.LoraGa.Initialization != LoraGaInitialization.Random;

    /// <summary>Whether it is held whole for that.</summary>
    internal static bool HoldsGradient(MethodSpec method) =>
        ReadsGradient(method) && method.LoraGa.GradientEstimate == GradientEstimate.Exact;

    /// <summary>The stable initialisation takes 2r singular triples.</summary>
    internal static IEnumerable<BrokenRule> CheckRank(MethodSpec method, string name, long d, long k)
    {
        var stable = method.LoraGa.Initialization == LoraGaInitialization.Stable && method.InitialAdapter is null;
        if (!stable || Math.Min(d, k) >= 2L * method.Lora.Rank) yield break;
        yield return new(
            "method.lora_ga.initialization",
            $"stable needs 2 × rank ≤ min(d, k), but {name} is {d} × {k} and rank is {method.Lora.Rank}; "
            + $"set method.lora.rank to at most {Math.Min(d, k) / 2}, or initialization to paper or random");
    }
}
