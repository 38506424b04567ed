using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>What is said of silos that hold the others up.</summary>
public sealed class StragglersTests
{
    [Fact]
    public async Task Time_is_measured_against_the_work_that_the_plan_gave()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b", "c"));
        var term = await run.Context();
        // One block on a, two on b: twice the time is no slowness. The standby c has no work to be slow at.
        term.Plan = Plan(("a", 1), ("b", 2), ("b", 3));
        var stragglers = new Stragglers(term);
        foreach (var (silo, seconds) in new[] { ("a", 1.0), ("b", 2.0), ("c", 5.0) }) stragglers.Computed(silo, seconds);
        Assert.Equal(new Dictionary<string, double> { ["a"] = 1, ["b"] = 1 }, stragglers.Slowdown(microbatches: 4));

        stragglers.Begin();
        stragglers.Computed("a", 1.0);
        stragglers.Computed("b", 6.0);
        Assert.Equal(new Dictionary<string, double> { ["a"] = 1, ["b"] = 3 }, stragglers.Slowdown(microbatches: 4));
    }

    private static SeatPlan Plan(params (string Silo, int Layer)[] seats) => new()
    {
        Silos = [],
        Seats = [.. seats.Select(static seat => new Seat(seat.Layer, Replica: 0, seat.Silo, Active: true))],
        Layers = 6,
        Replicas = 1,
        Positions = [0, 1, 2, 3, 4, 5],
    };
}
