using System.Text.RegularExpressions;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// Names of adapter tensors as programs wrote them over the years, as PEFT writes them now: <c>base_model.model.</c>, the module's name in
/// the causal model, the part without the adapter's own name.
/// </summary>
internal static partial class AdapterNames
{
    internal const string Prefix = "base_model.model.";

    // What a bare decoder (AutoModel) calls its blocks, and what they are called in the causal model around it.
    private static readonly (string Bare, string Whole)[] Containers = [("layers.", "model.layers."), ("h.", "transformer.h.")];

    /// <summary>The name as PEFT writes it now; a name of another kind as it is.</summary>
    internal static string Canonical(string name)
    {
        var module = After(name, Prefix) ?? After(name, "base_model.") ?? name;
        foreach (var (bare, whole) in Containers)
        {
            if (module.StartsWith(bare, StringComparison.Ordinal)) module = whole + module[bare.Length..];
        }

        var part = OwnName().Replace(module, "$1$2");
        return Prefix + (part.EndsWith(".lora_magnitude_vector.weight", StringComparison.Ordinal) ? part[..^".weight".Length] : part);
    }

    private static string? After(string name, string prefix) =>
        name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : null;

    /// <summary>
    /// The name of the adapter, <c>default</c> mostly, which PEFT's model has in it and PEFT's files lack; it is there where a state was
    /// saved as it was.
    /// </summary>
    [GeneratedRegex(@"(\.(?:lora_A|lora_B|lora_magnitude_vector|boft_R|boft_s))\.(?!weight$)[^.]+((?:\.weight)?)$")]
    private static partial Regex OwnName();
}
