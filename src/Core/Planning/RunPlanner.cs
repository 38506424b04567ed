using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Planning;

/// <summary>The plan of a run: what its file says, and what its model needs of the silos' memory.</summary>
public static class RunPlanner
{
    /// <summary>Makes the plan.</summary>
    /// <param name="spec">Run file; <c>model.dtype</c> resolved.</param>
    /// <param name="model">Sizes of the model.</param>
    /// <param name="inventory">Live silos.</param>
    public static SeatPlan Plan(RunSpec spec, ModelDimensions model, IReadOnlyCollection<SiloInventory> inventory)
    {
        if (inventory.Count == 0) throw new PeftException("no silo is alive; start at least one peft-silo");
        var planned = model.PlanFor(spec.Method);
        var microbatches = Math.Max(1, spec.Training.GlobalBatch / spec.Training.Microbatch);
        var layers = MemoryModel.Layers(model, spec, spec.Data.MaxLength, inFlight: Math.Min(microbatches, inventory.Count + 1));
        // Silos of one machine share its memory.
        var capacity = inventory.GroupBy(static silo => silo.Host).Min(static host => host.Min(static silo => silo.MemoryBytes) / host.Count());
        return Planner.Plan(inventory, planned, new PlanOptions(
            spec.Elastic.MaxSilos, spec.Compute.Replicas, MemoryModel.StagesNeeded(planned, layers, capacity), microbatches)
        {
            Protect = spec.Elastic.Protect,
        });
    }
}
