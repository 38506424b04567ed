using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>A run that starts from an adapter of which single modules have their own rank, α, or no adapter at all.</summary>
internal static class AdapterStart
{
    /// <summary>The run's method with what is the adapter's; a method of another kind as it is.</summary>
    internal static MethodSpec Adopt(AdapterFolder adapter, MethodSpec run, ModelFolder model)
    {
        if (run.Name != adapter.Form.Method) return run;
        var lora = run.Lora with
        {
            RankPattern = run.Lora.RankPattern ?? adapter.Options?.Lora.RankPattern,
            AlphaPattern = run.Lora.AlphaPattern ?? adapter.Options?.Lora.AlphaPattern,
        };
        var touched = AdapterPlaces.Touched(adapter, model);
        var asked = Asked(run, model);
        var someLayers = touched.Count < asked.Count
            && !run.TargetModules.Any(static target => target.Contains('.', StringComparison.Ordinal))
            && Suffixes(touched).SetEquals(Suffixes(asked));
        return run with { Lora = lora, TargetModules = someLayers ? Names(touched, model) : run.TargetModules };
    }

    /// <summary>Refuses a run that gives a module another rank or α than the adapter does.</summary>
    internal static void CheckPatterns(AdapterFolder adapter, MethodSpec run, ModelFolder model, Func<string, string> where)
    {
        if (adapter.Options is not { } own || adapter.Targets is null) return;
        foreach (var site in AdapterPlaces.Touched(adapter, model))
        {
            var (asked, found) = (run.At(site.Name).Lora, own.At(site.Name).Lora);
            if (asked.Rank == found.Rank && asked.Alpha == found.Alpha) continue;
            var key = asked.Rank == found.Rank ? "alpha_pattern" : "rank_pattern";
            throw new PeftException($"{where($"method.lora.{key}")}: method.lora.{key} gives {site.Name} rank {asked.Rank} and alpha "
                + $"{asked.Alpha}, but with {adapter.ConfigFile} it has {found.Rank} and {found.Alpha}; leave the patterns out, then they "
                + "are the adapter's");
        }
    }

    /// <summary>Refuses a run that adapts other modules than the adapter.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="run">The run's method.</param>
    /// <param name="placed">The run's method with the modules that the tensors change.</param>
    /// <param name="model">The model.</param>
    /// <param name="where">The place in the run file of a key.</param>
    internal static void CheckModules(
        AdapterFolder adapter,
        MethodSpec run,
        MethodSpec placed,
        ModelFolder model,
        Func<string, string> where)
    {
        if (Asked(run, model).SequenceEqual(Asked(placed, model))) return;
        var found = string.Join(", ", placed.TargetModules);
        throw new PeftException($"{where("method.target_modules")}: method.target_modules is [{string.Join(", ", run.TargetModules)}], but "
            + $"{adapter.Weights.Path} has tensors of [{found}]; write method.target_modules: [{found}]");
    }

    private static List<LinearSite> Asked(MethodSpec run, ModelFolder model) =>
        [.. AdapterPlaces.AllOf(model).Where(site => TargetModules.Targets(run, site.Name))];

    private static HashSet<string> Suffixes(IEnumerable<LinearSite> sites) =>
        sites.Select(static site => site.Suffix).ToHashSet(StringComparer.Ordinal);

    private static IReadOnlyList<string> Names(IEnumerable<LinearSite> sites, ModelFolder model) =>
        TargetModules.Shortest(model.Dimensions, sites.Select(static site => site.Name).ToHashSet(StringComparer.Ordinal).Contains);
}
