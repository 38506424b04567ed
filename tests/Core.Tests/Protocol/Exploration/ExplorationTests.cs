using Peft.Orleans.Core.Planning;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>
/// The real protocol, every order of messages and faults: each message late, lost or again as often as it likes, coordinators that never
/// stop.
/// <c>PEFT_LONG=1</c> goes also through the bounds that take too long for every day.
/// </summary>
public class ExplorationTests(ITestOutputHelper output)
{
    /// <summary>More than there are reasons for one: the faults bound the terms.</summary>
    private const int Unbounded = 99;

    private static readonly PlanOptions TwoReplicas = new(MaxSilos: 2, Replicas: null, Microbatches: Scenario.Microbatches);

    private static readonly Scenario Everything = new("two crashes, freeze, restart, join")
    {
        Crashes = 2,
        Freezes = 1,
        Restarts = 1,
        Joins = 1,
        Terms = Unbounded,
    };

    private static readonly Dictionary<string, Scenario> Daily = new Scenario[]
    {
        new("none"),
        new("one crash") { Crashes = 1, Terms = Unbounded },
        new("one crash, copies let in long before they complete")
        {
            Crashes = 1,
            SlowCopies = true,
            Terms = Unbounded,
        },
        new("one crash, two replicas")
        {
            Crashes = 1,
            Terms = Unbounded,
            Plan = TwoReplicas,
        },
        new("one flipped bit, two replicas") { Flips = 1, Terms = Unbounded, Plan = TwoReplicas },
        new("one silo that computes wrongly ever after, two replicas")
        {
            Flips = 1,
            FlipsStay = true,
            Terms = Unbounded,
            Plan = TwoReplicas,
        },
        new("one flipped bit, a second coordinator, two replicas") { Flips = 1, Takeovers = 1, Terms = 5, Plan = TwoReplicas },
        new("one flipped bit, one crash, two replicas") { Flips = 1, Crashes = 1, Terms = Unbounded, Plan = TwoReplicas },
        new("one freeze") { Freezes = 1, Terms = Unbounded },
        new("a second coordinator, without any loss") { Takeovers = 1 },
        new("one join (to 2 silos)") { Joins = 1, Silos = 2, Terms = Unbounded },
        new("two living silos of one name") { Doubles = 1, Terms = Unbounded },
        new("crash, two living silos of one name") { Crashes = 1, Doubles = 1, Terms = Unbounded },
        new("crash, restart") { Crashes = 1, Restarts = 1, Terms = Unbounded },
        new("crash, join") { Crashes = 1, Joins = 1, Terms = Unbounded },
        new("crash, freeze") { Crashes = 1, Freezes = 1, Terms = Unbounded },
        new("two crashes") { Crashes = 2, Terms = Unbounded },
        new("two crashes, freeze") { Crashes = 2, Freezes = 1, Terms = Unbounded },
        new("crash, restart, join") { Crashes = 1, Restarts = 1, Joins = 1, Terms = Unbounded },
    }.ToDictionary(static scenario => scenario.Name);

    private static readonly Dictionary<string, Scenario> Long = new Scenario[]
    {
        new("two crashes, restart") { Crashes = 2, Restarts = 1, Terms = Unbounded },
        new("crash, freeze, restart") { Crashes = 1, Freezes = 1, Restarts = 1, Terms = Unbounded },
        new("crash, freeze, join") { Crashes = 1, Freezes = 1, Joins = 1, Terms = Unbounded },
        new("two crashes, join") { Crashes = 2, Joins = 1, Terms = Unbounded },
        new("two crashes, freeze, restart") { Crashes = 2, Freezes = 1, Restarts = 1, Terms = Unbounded },
        new("crash, freeze, restart, join") { Crashes = 1, Freezes = 1, Restarts = 1, Joins = 1, Terms = Unbounded },
        new("two crashes, restart, join") { Crashes = 2, Restarts = 1, Joins = 1, Terms = Unbounded },
        new("two crashes, freeze, join") { Crashes = 2, Freezes = 1, Joins = 1, Terms = Unbounded },
        Everything,
    }.ToDictionary(static scenario => scenario.Name);

    public static TheoryData<string> DailyNames => new(Daily.Keys);

    public static TheoryData<string> LongNames => new(Long.Keys);

    [Theory, MemberData(nameof(DailyNames))]
    public void Safe_in_every_state(string name) => Safe(Daily[name]);

    [Theory, MemberData(nameof(LongNames))]
    public void Safe_in_every_state_of_wide_bounds(string name)
    {
        // A name instead of 1 chooses one of them.
        var chosen = Environment.GetEnvironmentVariable("PEFT_LONG");
        Assert.SkipUnless(chosen == "1" || chosen == name, "takes long; set PEFT_LONG=1");
        Safe(Long[name]);
    }

    [Fact]
    public void The_page_has_every_scenario_and_no_other()
    {
        // Two of the widest are part of another one, and were not gone through by themselves.
        string[] not = ["two crashes, freeze, join", "crash, freeze, restart, join"];
        var all = Daily.Keys.Concat(Long.Keys).Except(not);
        Assert.Equal(all.Order(StringComparer.Ordinal), ProtocolPage.States.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Safe_in_walks_through_the_widest_bounds()
    {
        var seen = new Explorer(Everything).Walk(runs: 1_500, seed: 2026);
        output.WriteLine($"walks: {seen}");
        Assert.Null(seen.Violation);
        Assert.Equal(1_500, seen.Ends);
    }

    private void Safe(Scenario scenario)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var seen = new Explorer(scenario).Run();
        output.WriteLine($"{scenario.Name}: {seen} {clock.Elapsed.TotalSeconds:F1} s");
        Assert.Null(seen.Violation);
        Assert.True(seen.Whole);
        if (ProtocolPage.States.TryGetValue(scenario.Name, out var states)) Assert.Equal(states, seen.States);
    }
}
