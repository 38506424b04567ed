using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>Low-rank adaptation (Eq. 1-2); with <c>dora</c> its weight-decomposed form.</summary>
internal sealed class LoraTraits : MethodTraits
{
    public override MethodName Name => MethodName.Lora;

    public override string Title => "LoRA";

    public override string? PeftType => "LORA";

    public override bool HasControl => false;

    public override IEnumerable<BrokenRule> Check(MethodSpec method)
    {
        if (method.Lora is { Dora: true, MaxDeltaRatio: not null })
        {
            yield return new(
                "method.lora.max_delta_ratio", "bounds s·B·A, which is not the whole change of weights with dora; remove one of the two");
        }

        foreach (var (key, patterns) in ((string, IReadOnlyList<ModulePattern>?)[])
            [("method.lora.rank_pattern", method.Lora.RankPattern), ("method.lora.alpha_pattern", method.Lora.AlphaPattern)])
        {
            foreach (var pattern in patterns ?? [])
            {
                if (pattern.Fault is { } fault) yield return new(key, $"{fault}; write the modules' names");
            }
        }
    }

    public override long Trainable(MethodSpec method, LinearDimensions linear) =>
        Factors(method, linear) + (method.Lora.Dora ? linear.Out : 0);

    // DoRA keeps the norms of the frozen weight's rows, fp32.
    public override long BaseBytes(MethodSpec method, LinearDimensions linear, long weight, long activation) =>
        base.BaseBytes(method, linear, weight, activation) + (method.Lora.Dora ? 4 * linear.Out : 0);

    public override bool KeepsBaseOutput(MethodSpec method) => method.Lora.Dora;

    /// <summary>Elements of A <c>[r, k]</c> and B <c>[d, r]</c>.</summary>
    internal static long Factors(MethodSpec method, LinearDimensions linear) => (long)method.Lora.Rank * (linear.Out + linear.In);

    /// <summary>Options of plain LoRA that methods with other low-rank paths do not have.</summary>
    internal static IEnumerable<BrokenRule> RefuseOwn(MethodSpec method, string word)
    {
        if (method.Lora.Dora || method.Lora.MaxDeltaRatio is not null)
            yield return new("method.lora", $"dora and max_delta_ratio have no meaning for {word}; remove them");
    }
}
