using Peft.Orleans.Core.Planning;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Which silos hold the others up: the time each computes for a step, against the work that the plan gave it.</summary>
internal sealed class Stragglers(TermContext term)
{
    private readonly Dictionary<string, double> seconds = [];
    private double[]? layerCosts;

    private double[] LayerCosts => layerCosts ??= PlanModel.Of(term.Run.Model, term.Run.Method).LayerCosts;

    /// <summary>A step begins: what is known is of the one before.</summary>
    internal void Begin() => seconds.Clear();

    /// <summary>A silo has computed that long for the step.</summary>
    internal void Computed(string silo, double time) => seconds[silo] = time;

    /// <summary>
    /// Each silo's compute time per unit of its work, over the fastest silo's: 1 for the fastest, 2 for one that takes twice as long as it
    /// should and holds the others up.
    /// </summary>
    /// <param name="microbatches">Microbatches of the step.</param>
    internal Dictionary<string, double> Slowdown(int microbatches)
    {
        var plan = term.Plan;
        var perUnit = new Dictionary<string, double>();
        foreach (var (silo, time) in seconds)
        {
            var own = Enumerable.Range(0, microbatches).Count(i => plan.ReplicaOfMicrobatch(i, microbatches) == plan.ReplicaOf(silo));
            var work = own * plan.ActiveLayersOn(silo).Sum(layer => LayerCosts[layer]);
            if (work > 0 && time > 0) perUnit[silo] = time / work;
        }

        var fastest = perUnit.Values.DefaultIfEmpty(1).Min();
        return perUnit.ToDictionary(static silo => silo.Key, silo => silo.Value / fastest);
    }
}
