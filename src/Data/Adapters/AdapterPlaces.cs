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
    private const string Prefix = AdapterNames.Prefix;

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
        var tensors = adapter.Tensors.OrderBy(static tensor => tensor.Key, StringComparer.Ordinal);
        foreach (var (name, tensor) in tensors) places.Place(name[Prefix.Length..], tensor);
        if (places.found.Count == 0)
            throw new PeftException($"{adapter.Weights.Path}: there is no tensor of an adapter in it; save the adapter again");
        places.CheckModules();
        return options with
        {
            InitialAdapter = adapter.Path,
            TargetModules = TargetModules.Shortest(model.Dimensions, places.found.Select(static site => site.Name).ToHashSet().Contains),
        };
    }

    /// <summary>The modules of a layer, by the name that target_modules has for them.</summary>
    private IEnumerable<string> Suffixes => all.Select(static site => site.Suffix).Distinct();

    /// <summary>The linear modules of a model, layer by layer.</summary>
    internal static IReadOnlyList<LinearSite> AllOf(ModelFolder model) =>
        [.. Enumerable.Range(0, model.LayerCount).SelectMany(model.Linears)];

    /// <summary>The modules of which a file has tensors, whatever else is wrong with it.</summary>
    internal static IReadOnlyList<LinearSite> Touched(AdapterFolder adapter, ModelFolder model) =>
    [
        .. AllOf(model).Where(site =>
            adapter.Tensors.Keys.Any(name => name.StartsWith(site.AdapterPrefix + ".", StringComparison.Ordinal))),
    ];

    private void Place(string rest, SafeTensorsEntry tensor)
    {
        if (!Numbers.Contains(tensor.Type))
            throw Refuse(tensor.Name, $"is {tensor.Type.HeaderName()}; adapters are read from F32, BF16, F16, F64 and, for indices, I64");
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

    /// <summary>Nothing that an adapter's configuration gives it in some layers is missing in others.</summary>
    private void CheckModules()
    {
        var suffixes = found.Select(static site => site.Suffix).ToHashSet(StringComparer.Ordinal);
        foreach (var site in all.Where(site => found.Contains(site) || (suffixes.Contains(site.Suffix) && IsTarget(site))))
        {
            foreach (var part in parts.Values.Where(part => !part.Optional || !found.Contains(site)))
            {
                var name = $"{Prefix}{site.Name}.{part.Name}";
                if (adapter.Tensors.ContainsKey(name)) continue;
                var others = found.Contains(site) ? "" : $", although other layers have an adapter of {site.Suffix}";
                throw new PeftException(
                    $"{adapter.Weights.Path}: there is no tensor '{name}'{others}; does the adapter belong to this model?");
            }
        }
    }

    private void CheckShape(SafeTensorsEntry tensor, AdapterPart part, LinearSite site)
    {
        var own = options.At(site.Name);
        var needed = part.Shape(own, site);
        if (tensor.Shape.AsSpan().SequenceEqual(needed)) return;
        throw new PeftException(
            $"{adapter.Weights.Path}: tensor '{tensor.Name}' has shape [{string.Join(", ", tensor.Shape)}], "
            + $"but with {adapter.ConfigFile}'s "
            + $"{string.Join(", ", AdapterAgreement.Describe(adapter, own))} "
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

    private bool IsTarget(LinearSite site) => adapter.Targets is null ? IsOwnTarget(site) : adapter.Targets.LeftOutBy(site.Name) is null;

    private bool IsOwnTarget(LinearSite site) => adapter.Options is null || TargetModules.Targets(adapter.Options, site.Name);

    private string DescribeOptions() => $" ({string.Join(", ", AdapterAgreement.Describe(adapter, options))})";

    private PeftException Refuse(string tensor, string reason) => new($"{adapter.Weights.Path}: tensor '{tensor}' {reason}");
}
