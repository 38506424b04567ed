using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>Which linear modules of a decoder block get an adapter.</summary>
internal static class TargetModules
{
    private const string AllLinear = "all-linear";

    /// <summary>The module suffixes a method names, <c>all-linear</c> written out; in the block's order.</summary>
    /// <exception cref="PeftException">The blocks have no such module.</exception>
    internal static IReadOnlyList<string> Resolve(MethodSpec method, IReadOnlyList<LinearSite> linears)
    {
        string[] names = [.. linears.Select(static linear => linear.Suffix)];
        if (method.TargetModules is [AllLinear]) return names;
        foreach (var module in method.TargetModules)
        {
            if (!names.Contains(module))
            {
                throw new PeftException(
                    $"method.target_modules: '{module}' is no linear module of the model's decoder blocks; there are {string.Join(", ", names)} and {AllLinear}");
            }
        }

        return [.. names.Where(method.TargetModules.Contains)];
    }
}
