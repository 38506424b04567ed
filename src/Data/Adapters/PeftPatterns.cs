using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// PEFT's <c>rank_pattern</c> and <c>alpha_pattern</c>: r and α of single modules. A pattern is a regular expression; the first that
/// matches the end of a module's name, from its beginning or after a dot, counts. This version has one r and one α for all modules
/// and refuses them. With them, the shapes of <see cref="AdapterForm"/>'s low-rank tensors, which are asked for module by module, are
/// where they are needed.
/// </summary>
internal static class PeftPatterns
{
    /// <exception cref="Core.PeftException">A pattern is there.</exception>
    internal static void Refuse(ConfigReader config)
    {
        foreach (var key in (string[])["rank_pattern", "alpha_pattern"])
        {
            if (config.IsSet(key))
                throw config.Refusal(key, $"modules with their own rank or alpha are not supported by this version; {PeftKeys.Remedy}");
        }
    }
}
