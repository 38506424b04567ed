using System.Globalization;
using System.Text.RegularExpressions;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// Which modules PEFT gives an adapter: <c>target_modules</c> (names, ends of names, or a regular expression of whole names), less
/// <c>exclude_modules</c>, in the layers of <c>layers_to_transform</c>. The tensors say which modules an adapter has; this says
/// whether PEFT would load them.
/// </summary>
internal sealed partial class PeftTargets
{
    // A file's expression must not keep us busy for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // PEFT's defaults of the families: of q, k and v by themselves, and of a fused module. No model has both.
    private static readonly string[] Architecture = ["q_proj", "v_proj", "query_key_value"];

    private readonly ConfigReader config;
    private readonly IReadOnlyList<string> names = Architecture;
    private readonly Regex? pattern;
    private readonly IReadOnlyList<string> excludedNames = [];
    private readonly Regex? excludedPattern;
    private readonly int[] layers;
    private readonly Regex[] layerNames;

    private PeftTargets(ConfigReader config)
    {
        this.config = config;
        if (config.IsText("target_modules")) pattern = Pattern(config.Text("target_modules")!);
        else if (config.Has("target_modules")) names = config.Texts("target_modules");
        if (config.IsText("exclude_modules")) excludedPattern = Whole(config, "exclude_modules", config.Text("exclude_modules")!);
        else excludedNames = config.Texts("exclude_modules");
        layers = config.Integers("layers_to_transform");
        var containers = config.IsText("layers_pattern") ? [config.Text("layers_pattern")!] : config.Texts("layers_pattern");
        layerNames = containers.Count == 0
            ? [AnyContainer()]
            : [.. containers.Select(container => Made(config, "layers_pattern", $@"^.*?\.{container}\.(\d+)\."))];
    }

    /// <exception cref="PeftException">A key has a value of another type, or is no regular expression.</exception>
    internal static PeftTargets Read(ConfigReader config) => new(config);

    /// <summary>The key by which PEFT would leave out a module; null: it takes it.</summary>
    internal string? LeftOutBy(string module)
    {
        if (excludedPattern is not null ? Matches(excludedPattern, "exclude_modules", module) : Ends(excludedNames, module))
            return "exclude_modules";
        // PEFT asks for layers only where modules are named by the ends of their names.
        if (pattern is not null) return Matches(pattern, "target_modules", module) ? null : "target_modules";
        if (names.Contains(module)) return null;
        if (!Ends(names, module)) return "target_modules";
        return layers.Length == 0 || InLayers(module) ? null : "layers_to_transform";
    }

    /// <summary>Its refusal of a module.</summary>
    internal PeftException Refusal(string key, string reason) => config.Has(key)
        ? config.Refusal(key, reason)
        : new PeftException($"{config.File}: {key} is missing, which stands for {string.Join(", ", Architecture)}; {reason}");

    private bool InLayers(string module)
    {
        foreach (var layerName in layerNames)
        {
            if (layerName.Match(module) is { Success: true } match)
                return layers.Contains(int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
        }

        return false;
    }

    private bool Matches(Regex expression, string key, string module)
    {
        try
        {
            return expression.IsMatch(module);
        }
        catch (RegexMatchTimeoutException)
        {
            throw config.Refusal(key, $"the expression takes more than {Patience.TotalSeconds} s on {module}; write the modules as a list");
        }
    }

    private static bool Ends(IReadOnlyList<string> names, string module) =>
        names.Any(name => module == name || module.EndsWith("." + name, StringComparison.Ordinal));

    /// <summary>The word, case aside, stands for all linear modules but the head, all of a decoder's.</summary>
    private Regex Pattern(string expression) => expression.Equals("all-linear", StringComparison.OrdinalIgnoreCase)
        ? Everything()
        : Whole(config, "target_modules", expression);

    private static Regex Whole(ConfigReader config, string key, string expression) => Made(config, key, $@"\A(?:{expression})\z");

    private static Regex Made(ConfigReader config, string key, string expression)
    {
        try
        {
            return new Regex(PythonRegex.Translate(expression), RegexOptions.CultureInvariant, Patience);
        }
        catch (ArgumentException error)
        {
            throw config.Refusal(key, $"that is no regular expression: {error.Message.TrimEnd('.')}; write the modules as a list");
        }
    }

    [GeneratedRegex("")]
    private static partial Regex Everything();

    [GeneratedRegex(@"^.*?\.[^.]*\.(\d+)\.")]
    private static partial Regex AnyContainer();
}
