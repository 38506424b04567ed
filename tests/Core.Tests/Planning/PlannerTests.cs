using CsCheck;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Xunit;

namespace Peft.Orleans.Core.Tests.Planning;

public class PlannerTests
{
    [Fact]
    public void Partition_is_contiguous_non_empty_and_no_worse_than_any_other()
    {
        var gen = from costs in Gen.Double[0.01, 5].Array[1, 9]
                  from parts in Gen.Int[1, costs.Length]
                  select (costs, parts);
        gen.Sample(input =>
        {
            var bounds = Planner.Partition(input.costs, input.parts);
            Assert.Equal(0, bounds[0]);
            Assert.Equal(input.costs.Length, bounds[^1]);
            for (var i = 0; i < input.parts; i++) Assert.True(bounds[i] < bounds[i + 1]);
            Assert.Equal(Exhaustive(input.costs, 0, input.parts), Largest(input.costs, bounds), 1e-9);
        });
    }

    [Fact]
    public void Every_layer_has_one_active_seat_and_surplus_silos_stand_by()
    {
        var model = new PlanModel([0.05, 1, 1, 0.5], [0, 1, 2, 3]);
        var silos = Enumerable.Range(0, 6).Select(i => new PlannedSilo($"silo-{i}", $"incarnation-{i}", $"host:{i}")).Reverse().ToArray();
        var plan = Planner.Plan(silos, model, maxSilos: 64);
        Assert.Equal(4, plan.Seats.Length);
        for (var layer = 0; layer < 4; layer++) Assert.Equal($"silo-{layer}", plan.ActiveSilo(0, layer));
        Assert.Empty(plan.ActiveLayersOn("silo-5"));
    }

    [Fact]
    public void No_silo_is_a_clear_error() =>
        Assert.Contains("no silo is alive", Assert.Throws<PeftException>(() => Planner.Plan([], new PlanModel([1], [0]), 1)).Message, StringComparison.Ordinal);

    private static double Largest(double[] costs, int[] bounds) =>
        Enumerable.Range(0, bounds.Length - 1).Max(p => costs[bounds[p]..bounds[p + 1]].Sum());

    private static double Exhaustive(double[] costs, int from, int parts) => parts == 1
        ? costs[from..].Sum()
        : Enumerable.Range(from + 1, costs.Length - from - parts + 1).Min(cut => Math.Max(costs[from..cut].Sum(), Exhaustive(costs, cut, parts - 1)));
}
