using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>Which linear modules of a decoder block get an adapter.</summary>
public static class TargetModules
{
    /// <summary>The word that stands for every linear module.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>The names a method adapts, in the block's order; <c>all-linear</c> is every module of the model.</summary>
    /// <exception cref="PeftException">A name is none of the model's modules; it is named, with those there are.</exception>
    public static IReadOnlyList<string> Resolve(MethodSpec method, ModelDimensions model)
    {
        var names = model.Linears.Select(static linear => linear.Name).ToArray();
        if (Unknown(method, model) is { } unknown) throw new PeftException($"method.target_modules: {Refusal(unknown, model)}");
        return names.Where(name => Targets(method, name)).ToArray();
    }

    /// <summary>The first name that is none of the model's modules; null: all are.</summary>
    public static string? Unknown(MethodSpec method, ModelDimensions model) =>
        method.TargetModules.FirstOrDefault(target => target != AllLinear && model.Linears.All(linear => linear.Name != target));

    /// <summary>Why a name is refused, and what there is.</summary>
    public static string Refusal(string unknown, ModelDimensions model) =>
        $"'{unknown}' is no linear module of this model; choose of "
            + $"{string.Join(", ", model.Linears.Select(static linear => linear.Name))}, or write {AllLinear}";

    /// <summary>Whether a method adapts a module.</summary>
    public static bool Targets(MethodSpec method, string name) =>
        method.TargetModules.Contains(AllLinear) || method.TargetModules.Contains(name);
}
