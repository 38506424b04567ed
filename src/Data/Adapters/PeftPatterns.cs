using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>PEFT's <c>rank_pattern</c> and <c>alpha_pattern</c>: r and α of single modules. The order of the file counts.</summary>
internal static class PeftPatterns
{
    /// <summary>The ranks; null: there is no pattern.</summary>
    /// <exception cref="Core.PeftException">A key is no regular expression, or a rank is not positive.</exception>
    internal static IReadOnlyList<ModulePattern>? Ranks(ConfigReader config) =>
        Read(config, "rank_pattern", static (section, key) => section.PositiveInteger(key));

    /// <summary>The α; null: there is no pattern.</summary>
    /// <exception cref="Core.PeftException">A key is no regular expression, or an α is not above 0.</exception>
    internal static IReadOnlyList<ModulePattern>? Alphas(ConfigReader config) =>
        Read(config, "alpha_pattern", static (section, key) => PeftMethods.Alpha(section, key));

    private static ModulePattern[]? Read(ConfigReader config, string key, Func<ConfigReader, string, double> value)
    {
        if (!config.IsSet(key)) return null;
        var section = config.Section(key)!;
        var patterns = section.Keys.Select(modules => new ModulePattern(modules, value(section, modules))).ToArray();
        var faulty = Array.Find(patterns, static pattern => pattern.Fault is not null);
        return faulty is null ? patterns : throw section.Refusal(faulty.Modules, $"{faulty.Fault}; write the modules' names");
    }
}
