using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Planning;

/// <summary>The plan of a run: what its file says, and what its model needs of the silos' memory.</summary>
public static class RunPlanner
{
    /// <summary>Makes the plan.</summary>
    /// <param name="run">The run.</param>
    /// <param name="inventory">Live silos.</param>
    /// <exception cref="PeftException">No silo is alive.</exception>
    public static SeatPlan Plan(ResolvedRun run, IReadOnlyCollection<SiloInventory> inventory)
    {
        var seats = inventory.Where(static silo => silo.TakesSeats).ToArray();
        if (seats.Length == 0) throw new PeftException("no silo that takes seats is alive; start at least one peft-silo");
        var planned = PlanModel.Of(run.Model, run.Method);
        var layers = Memory(run, seats.Length);
        // Silos of one machine share its memory.
        var capacity = seats
            .GroupBy(static silo => silo.Host)
            .Min(static host => host.Min(static silo => silo.MemoryBytes) / host.Count());
        return Planner.Plan(
            inventory,
            planned,
            new PlanOptions(
                run.Spec.Elastic.MaxSilos,
                run.Spec.Compute.Replicas,
                MemoryModel.StagesNeeded(planned, layers, capacity),
                run.Microbatches
            )
            {
                Protect = run.Spec.Elastic.Protect,
            }
        );
    }

    /// <summary>Predicted bytes of each layer over so many silos.</summary>
    public static LayerMemory[] Memory(ResolvedRun run, int silos) =>
        MemoryModel.Layers(run, run.Columns, inFlight: Math.Min(run.Microbatches, silos + 1));
}
