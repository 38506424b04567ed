using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// Finds the place of every tensor of an adapter in a model; what has none is refused by name, and so is what is missing.
/// </summary>
internal sealed class AdapterPlaces
{
    private const string Prefix = "base_model.model.";

    private static readonly SafeTensorsType[] Numbers =
        [SafeTensorsType.F32, SafeTensorsType.BF16, SafeTensorsType.F16, SafeTensorsType.F64, SafeTensorsType.I64];

    private readonly AdapterFolder adapter;
    private readonly MethodSpec options;
    private readonly IReadOnlyList<LinearSite> all;
    private readonly Dictionary<string, LinearSite> sites;
    private readonly HashSet<string> layerLambdas = [];
    private readonly Dictionary<string, AdapterPart> parts;
    private readonly HashSet<LinearSite> found = [];

    private AdapterPlaces(AdapterFolder adapter, MethodSpec options, ModelFolder model)
    {
        this.adapter = adapter;
        this.options = options;
        all = AllOf(model);
        sites = all.ToDictionary(static site => site.Name, StringComparer.Ordinal);
        if (adapter.Form.HasLayerLambda(options))
            layerLambdas = [.. Enumerable.Range(1, model.LayerCount - 2).Select(layer => $"{model.BlockPrefix(layer)}lambda")];
        parts = adapter.Form.Parts(options).ToDictionary(static part => part.Name, StringComparer.Ordinal);
    }

    /// <summary>The adapter's method with the modules its tensors change, in the model's order.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="options">Its method's options.</param>
    /// <param name="model">The model.</param>
    internal static MethodSpec Find(AdapterFolder adapter, MethodSpec options, ModelFolder model)
    {
        var places = new AdapterPlaces(adapter, options, model);
        var tensors = adapter.Weights.Entries.Values.OrderBy(static entry => entry.Name, StringComparer.Ordinal);
        foreach (var tensor in tensors) places.Place(tensor);
        if (places.found.Count == 0)
            throw new PeftException($"{adapter.Weights.Path}: there is no tensor of an adapter in it; save the adapter again");
        places.CheckModules();
        return options with
        {
            InitialAdapter = adapter.Path,
            TargetModules = [.. places.Suffixes.Where(suffix => places.found.Any(site => site.Suffix == suffix))],
        };
    }

    /// <summary>The modules of a layer, by the name that target_modules has for them.</summary>
    private IEnumerable<string> Suffixes => all.Select(static site => site.Suffix).Distinct();

    /// <summary>The linear modules of a model, layer by layer.</summary>
    internal static IReadOnlyList<LinearSite> AllOf(ModelFolder model) =>
        [.. Enumerable.Range(0, model.LayerCount).SelectMany(model.Linears)];

    private void Place(SafeTensorsEntry tensor)
    {
        if (!Numbers.Contains(tensor.Type))
            throw Refuse(tensor.Name, $"is {tensor.Type.HeaderName()}; adapters are read from F32, BF16, F16, F64 and, for indices, I64");
        if (!tensor.Name.StartsWith(Prefix, StringComparison.Ordinal))
            throw Refuse(tensor.Name, $"does not begin with {Prefix}, as PEFT's names do; save the adapter with PEFT again");
        var rest = tensor.Name[Prefix.Length..];
        if (SiteOf(rest) is not { } site)
        {
            if (layerLambdas.Contains(rest)) return;
            throw Refuse(tensor.Name,
                $"has no place in this model: adapters are of the linear modules of its decoder layers "
                + $"({string.Join(", ", Suffixes)}); "
                + PeftKeys.Remedy);
        }

        var name = rest[(site.Name.Length + 1)..];
        if (!parts.TryGetValue(name, out var part))
        {
            throw Refuse(tensor.Name,
                $"has no place in an adapter of peft_type {adapter.PeftType} with the options of {adapter.ConfigFile}"
                + $"{DescribeOptions()}, which has {string.Join(", ", parts.Keys)}");
        }

        if (adapter.Targets?.LeftOutBy(site.Name) is { } key)
            throw adapter.Targets.Refusal(
                key,
                $"it leaves out {site.Name}, for which {adapter.Weights.Path} has a tensor ('{tensor.Name}')");
        if (adapter.Targets is null && !IsOwnTarget(site))
            throw Refuse(tensor.Name, $"is of a module that method.target_modules of {adapter.ConfigFile} does not name");
        CheckShape(tensor, part, site);
        found.Add(site);
    }

    /// <summary>A run adapts a module in all layers or in none.</summary>
    private void CheckModules()
    {
        var suffixes = found.Select(static site => site.Suffix).ToHashSet(StringComparer.Ordinal);
        foreach (var site in all.Where(site => suffixes.Contains(site.Suffix)))
        {
            foreach (var part in parts.Values.Where(part => !part.Optional || !found.Contains(site)))
            {
                var name = $"{Prefix}{site.Name}.{part.Name}";
                if (adapter.Weights.Entries.ContainsKey(name)) continue;
                var others = found.Contains(site) ? "" : $", although other layers have an adapter of {site.Suffix}";
                if (!found.Contains(site) && adapter.Targets?.SomeLayersBy is { } key)
                    throw adapter.Targets.Refusal(
                        key,
                        $"adapters of some layers only are not supported: {site.Name} has none{others}; {PeftKeys.Remedy}");
                throw new PeftException(
                    $"{adapter.Weights.Path}: there is no tensor '{name}'{others}; does the adapter belong to this model?");
            }
        }
    }

    private void CheckShape(SafeTensorsEntry tensor, AdapterPart part, LinearSite site)
    {
        var needed = part.Shape(options, site);
        if (tensor.Shape.AsSpan().SequenceEqual(needed)) return;
        throw new PeftException(
            $"{adapter.Weights.Path}: tensor '{tensor.Name}' has shape [{string.Join(", ", tensor.Shape)}], "
            + $"but with {adapter.ConfigFile}'s "
            + $"{string.Join(", ", AdapterAgreement.Describe(adapter, options))} "
            + $"and this model's {site.Suffix} of [{site.Out}, {site.In}] it is "
            + $"[{string.Join(", ", needed)}]; the adapter belongs to another model, or its configuration to another adapter");
    }

    private LinearSite? SiteOf(string name)
    {
        for (var end = name.LastIndexOf('.'); end > 0; end = name.LastIndexOf('.', end - 1))
        {
            if (sites.TryGetValue(name[..end], out var site)) return site;
        }

        return null;
    }

    private bool IsOwnTarget(LinearSite site) =>
        adapter.Options is null
        || adapter.Options.TargetModules.Contains("all-linear")
        || adapter.Options.TargetModules.Contains(site.Suffix);

    private string DescribeOptions() => $" ({string.Join(", ", AdapterAgreement.Describe(adapter, options))})";

    private PeftException Refuse(string tensor, string reason) => new($"{adapter.Weights.Path}: tensor '{tensor}' {reason}");
}
