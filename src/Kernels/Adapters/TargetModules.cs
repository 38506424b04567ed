using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>Which linear modules of a decoder layer get an adapter.</summary>
internal static class TargetModules
{
    private const string AllLinear = "all-linear";

    /// <summary>The module suffixes a method names, <c>all-linear</c> written out; in the decoder's order.</summary>
    internal static IReadOnlyList<string> Resolve(MethodSpec method)
    {
        if (method.TargetModules is [AllLinear]) return MethodSpec.DefaultTargetModules;
        foreach (var module in method.TargetModules)
        {
            if (!MethodSpec.DefaultTargetModules.Contains(module))
                throw new PeftException($"method.target_modules: '{module}' is no linear module of a Llama decoder layer; there are {string.Join(", ", MethodSpec.DefaultTargetModules)} and {AllLinear}");
        }

        return [.. MethodSpec.DefaultTargetModules.Where(method.TargetModules.Contains)];
    }
}
