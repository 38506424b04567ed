using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>Which linear modules of a model get an adapter.</summary>
public static class TargetModules
{
    /// <summary>The word that stands for every linear module.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>
    /// The names a method adapts, in the block's order: the last part of a module's name where all blocks have it adapted, else the whole
    /// names; <c>all-linear</c> is every module of the model.
    /// </summary>
    /// <exception cref="PeftException">A name is none of the model's modules; it is named, with those there are.</exception>
    public static IReadOnlyList<string> Resolve(MethodSpec method, ModelDimensions model)
    {
        if (Unknown(method, model) is { } unknown) throw new PeftException($"method.target_modules: {Refusal(unknown, model)}");
        return Shortest(model, module => Targets(method, module));
    }

    /// <summary>Some modules by the fewest names: the last part where all blocks are among them, else whole names.</summary>
    public static IReadOnlyList<string> Shortest(ModelDimensions model, Func<string, bool> among)
    {
        var names = new List<string>();
        foreach (var linear in model.Linears)
        {
            var modules = Blocks(model).Select(block => model.ModuleName(block, linear)).ToArray();
            if (modules.All(among)) names.Add(linear.Name);
            else names.AddRange(modules.Where(among));
        }

        return names;
    }

    /// <summary>The first name that is none of the model's modules; null: all are.</summary>
    public static string? Unknown(MethodSpec method, ModelDimensions model) => method.TargetModules.FirstOrDefault(target =>
        target != AllLinear && !Blocks(model).Any(block => model.Linears.Any(linear => Ends(model.ModuleName(block, linear), target))));

    /// <summary>Why a name is refused, and what there is.</summary>
    public static string Refusal(string unknown, ModelDimensions model) =>
        $"'{unknown}' is no linear module of this model; choose of "
            + $"{string.Join(", ", model.Linears.Select(static linear => linear.Name))}, name a module of one layer "
            + $"({model.ModuleName(0, model.Linears[0])}), or write {AllLinear}";

    /// <summary>Whether a method adapts a module, by its whole name.</summary>
    public static bool Targets(MethodSpec method, string module)
    {
        foreach (var target in method.TargetModules)
        {
            if (target == AllLinear || Ends(module, target)) return true;
        }

        return false;
    }

    /// <summary>The adapted modules of a block, from 0, each with the options that hold for it.</summary>
    public static IEnumerable<(LinearDimensions Linear, MethodSpec Method)> InBlock(
        this ModelDimensions model, MethodSpec method, int block)
    {
        foreach (var linear in model.Linears)
        {
            var module = model.ModuleName(block, linear);
            if (Targets(method, module)) yield return (linear, method.At(module));
        }
    }

    /// <summary>The blocks of a model, from 0.</summary>
    internal static IEnumerable<int> Blocks(ModelDimensions model) => Enumerable.Range(0, model.Blocks);

    private static bool Ends(string module, string target) => module.EndsWith(target, StringComparison.Ordinal)
        && (module.Length == target.Length || module[^(target.Length + 1)] == '.');
}
