using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>Butterfly orthogonal fine-tuning (Eq. 3-6).</summary>
internal sealed class BoftTraits : MethodTraits
{
    public override MethodName Name => MethodName.Boft;

    public override string Title => "BOFT";

    public override string? PeftType => "BOFT";

    public override IEnumerable<BrokenRule> Check(MethodSpec method) => CheckBlocks(method);

    public override IEnumerable<BrokenRule> CheckShape(MethodSpec method, string name, long d, long k) =>
        OnInput(method) ? CheckGroups(method, name, k, "inputs") : CheckGroups(method, name, d, "outputs");

    public override long Trainable(MethodSpec method, LinearDimensions linear) =>
        OnInput(method) ? Angles(method, linear.In) + linear.Out : Angles(method, linear.Out);

    public override bool KeepsBaseOutput(MethodSpec method) => true;

    public override bool RepeatsOutput(MethodSpec method) => !OnInput(method);

    /// <summary>Trained elements of the butterfly factors that rotate some columns.</summary>
    internal static long Angles(MethodSpec method, int rotated)
    {
        var b = method.Boft.BlockSize;
        var perBlock = method.Boft.Parameterization == BoftParameterization.Projection ? b * b : b * (b - 1) / 2;
        return (long)method.Boft.ButterflyFactors * (rotated / Math.Max(1, b)) * perBlock;
    }

    /// <summary>A butterfly of several factors pairs halves of blocks.</summary>
    internal static IEnumerable<BrokenRule> CheckBlocks(MethodSpec method)
    {
        if (method.Boft.ButterflyFactors > 1 && method.Boft.BlockSize % 2 != 0)
        {
            yield return new(
                "method.boft.block_size",
                $"must be even with butterfly_factors {method.Boft.ButterflyFactors}; write {method.Boft.BlockSize + 1}, or "
                    + "butterfly_factors: 1"
            );
        }
    }

    /// <summary>The factors' groups must fill the columns they rotate.</summary>
    internal static IEnumerable<BrokenRule> CheckGroups(MethodSpec method, string name, long n, string which)
    {
        var boft = method.Boft;
        var group = (long)boft.BlockSize << (boft.ButterflyFactors - 1);
        if (n % group == 0) yield break;
        yield return new(
            "method.boft.block_size",
            $"{name} has {n} {which}, which block_size {boft.BlockSize} × 2^(butterfly_factors {boft.ButterflyFactors} − 1) = {group} does "
                + "not divide; "
            + "choose a smaller block_size or fewer butterfly_factors");
    }

    private static bool OnInput(MethodSpec method) => method.Boft.Side == BoftSide.Input;
}
