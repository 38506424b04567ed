using System.Numerics;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>The reductions lose nothing: with and without them the same scenario shows the promises the same things.</summary>
public class ReductionTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, Scenario> All = new Scenario[]
    {
        new("undisturbed"),
        new("takeover") { Takeovers = 1, Steps = 2 },
        new("crash") { Crashes = 1, Steps = 2 },
        new("freeze") { Freezes = 1, Steps = 2, Terms = 3 },
        new("two of one name") { Doubles = 1, Steps = 2, Terms = 3 },
        new("join") { Joins = 1, Silos = 2 },
        new("crash, join") { Crashes = 1, Joins = 1, Silos = 2, Steps = 2, Terms = 3 },
        new("crash, restart") { Crashes = 1, Restarts = 1, Steps = 1, Terms = 3 },
        new("crash, freeze") { Crashes = 1, Freezes = 1, Steps = 1, Terms = 3 },
    }.ToDictionary(static scenario => scenario.Name);

    public static TheoryData<string> Names => new(All.Keys);

    [Theory, MemberData(nameof(Names))]
    public void Everything_a_promise_sees_is_still_seen(string name)
    {
        var scenario = All[name];
        var all = new HashSet<string>();
        var reduced = new HashSet<string>();
        var whole = new Explorer(scenario.Unreduced) { Visit = (world, machines) => all.UnionWith(Seen(world, machines, 0)) }.Run(
            most: Most
        );
        var less = new Explorer(scenario)
        {
            Visit = (world, machines) =>
                reduced.UnionWith(Seen(world, machines, scenario.FaultsLeft(world))),
        }.Run();
        output.WriteLine(
            $"{name}: {whole.States:N0} states without, {less.States:N0} with reductions; the promises see {all.Count:N0} and "
                + $"{reduced.Count:N0}"
        );
        Assert.True(whole.Whole && less.Whole);
        Assert.Null(whole.Violation);
        Assert.Null(less.Violation);
        Assert.Empty(all.Except(reduced));
        Assert.True(less.States < whole.States);
    }

    /// <summary>
    /// What the promises read: versions held by live silos, lines, plan in force; as it is, and as it would be were some silos to fail now.
    /// </summary>
    private static IEnumerable<string> Seen(World world, Machines machines, int faults)
    {
        if (world.Excused)
            yield break;
        var live = Enumerable
            .Range(0, Processes.Count)
            .Where(process => world.Lives[process] == Life.Live)
            .Aggregate(0, static (bits, process) => bits | (1 << process));
        for (var failed = 0; failed <= live; failed++)
        {
            if ((failed & ~live) != 0 || BitOperations.PopCount((uint)failed) > faults) continue;
            var left = live & ~failed;
            var seats = world.Plan == 0 ? [] : machines.Seats(world.Plan);
            if (Array.Exists(seats, layer => (layer & left) == 0))
                continue;
            var held = Enumerable
                .Range(0, Processes.Count)
                .Where(process => (left & (1 << process)) != 0 && machines.Silo(world.Silos[process]).Agent.Inventory.Count > 0)
                .Select(process =>
                {
                    var layers = Enumerable.Range(0, 4).Select(version => machines.LayersHeld(world.Silos[process], version));
                    return $"{Processes.Name(process)}:{string.Join(',', layers)}";
                });
            yield return $"{string.Join(' ', held)} lines {world.Lines.Length} plan {string.Join(',', seats)}";
        }
    }

    private const int Most = 2_000_000;
}
