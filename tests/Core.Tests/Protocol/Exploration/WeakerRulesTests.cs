using Peft.Orleans.Core.Protocol;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>
/// Each rule by itself is needed: without it the same model has a trace that breaks a promise; or it is shown that another rule covers it.
/// </summary>
public class WeakerRulesTests(ITestOutputHelper output)
{
    private const string Lost = "no version from it on is complete";
    private const string Another = "holds another value";
    private const string Three = "holds versions";

    [Fact]
    public void An_inventory_that_does_not_fence() =>
        Breaks(new Scenario("an inventory that does not fence") { Takeovers = 1, Steps = 2, InventoryDoesNotFence = true }, Lost);

    [Fact]
    public void Start_obeyed_twice_in_a_term() =>
        Breaks(
            new Scenario("Start obeyed twice")
            {
                Crashes = 1,
                ForgetsObeyed = false,
                Agent = static silo => new StartsAgain(silo),
            },
            Lost
        );

    [Fact]
    public void Steps_before_all_seats_hold_the_target_again() =>
        Breaks(
            new Scenario("steps before all seats hold t")
            {
                Silos = 2,
                Joins = 1,
                Crashes = 2,
                Terms = 3,
                Agent = static silo => new AppliesEarly(silo),
                Coordinator = static steps => new Hasty(steps),
            },
            Lost
        );

    [Fact]
    public void A_holder_outside_the_plan_that_drops_early() =>
        Breaks(
            new Scenario("a holder outside the plan that drops early")
            {
                Silos = 2,
                Joins = 1,
                Crashes = 1,
                OutsidersDropAtStart = true,
                Agent = static silo => new Forgetful(silo),
            },
            Lost
        );

    [Fact]
    public void An_empty_restarted_silo_that_is_believed() =>
        Breaks(
            new Scenario("an empty restarted silo that is believed")
            {
                Crashes = 1,
                Restarts = 1,
                AddressedByName = true,
                EmptyIsBelieved = true,
                DefersFaults = false,
                Steps = 2,
            },
            Another
        );

    [Fact]
    public void A_passive_seat_that_drops_a_version_on_receiving_the_next() =>
        Breaks(
            new Scenario("a passive seat that drops t on receiving t + 1")
            {
                Crashes = 2,
                Terms = 1,
                PassiveSeatsDropEarly = true,
                Agent = static silo => new Forgetful(silo),
            },
            Lost
        );

    [Fact]
    public void Reporting_before_stability() =>
        Breaks(
            new Scenario("reporting before stability")
            {
                Crashes = 1,
                Terms = 1,
                Coordinator = static steps => new ReportsEarly(steps),
            },
            Lost
        );

    [Fact]
    public void A_copy_let_in_earlier_that_is_kept_whenever_it_completes() =>
        Breaks(new Scenario("a late copy is kept") { SlowCopies = true, Agent = static silo => new TakesAnyVersion(silo) }, Three);

    /// <summary>
    /// Two rules that cover each other: the coordinator asks for gradients of s + 1 only when all have applied s, and a shard refuses to
    /// compute from another version.
    /// </summary>
    [Fact]
    public void A_shard_that_computes_from_whatever_version_it_has()
    {
        var anyVersion = new Scenario("a shard that computes from whatever version it has")
        {
            Steps = 2,
            Crashes = 1,
            ReadsAnyVersion = true,
            HandsOverAtOnce = false,
            Agent = static silo => new ComputesFromAny(silo),
        };
        var impatient = new Scenario("gradients asked for at the first answer")
        {
            Steps = 2,
            HandsOverAtOnce = false,
            Coordinator = static steps => new Impatient(steps),
        };
        Holds(anyVersion);
        Holds(impatient);
        Breaks(anyVersion with { Name = "both", Crashes = 0, Coordinator = impatient.Coordinator }, Another);
    }

    [Fact]
    public void Files_that_write_nowhere_without_a_word_and_are_opened_before_the_fences() =>
        Breaks(
            new Scenario("an earlier writer is not told")
            {
                Takeovers = 1,
                OpensAfterFences = false,
                FilesRefuseEarlierWriters = false,
            }
        );

    [Fact]
    public void Files_that_an_earlier_coordinator_may_open_after_a_later_one() =>
        Breaks(new Scenario("an earlier coordinator may open the files") { Takeovers = 1, FilesRefuseEarlierWriters = false });

    [Fact]
    public void A_term_that_begins_with_a_version_in_whose_bytes_silos_differ() =>
        Breaks(Flipped("a disputed version", static steps => new Credulous(steps)), "holds other bytes");

    [Fact]
    public void A_term_that_begins_with_a_version_that_one_of_two_replicas_has_and_nobody_has_compared() =>
        Breaks(Flipped("an uncompared version", static steps => new Trusting(steps)), "holds other bytes");

    private static Scenario Flipped(string name, Func<int, CoordinatorProtocol> coordinator) => new(name)
    {
        Flips = 1,
        Takeovers = 1,
        Terms = 3,
        Steps = 2,
        Plan = new(MaxSilos: 2, Replicas: null, Microbatches: Scenario.Microbatches),
        Coordinator = coordinator,
    };

    private void Breaks(Scenario scenario, string? how = null)
    {
        var seen = new Explorer(scenario with { Renumbers = false }) { MustFinish = false }.Run(breadthFirst: true, most: 400_000);
        output.WriteLine($"{scenario.Name}: {seen}");
        Assert.NotNull(seen.Violation);
        if (how is not null) Assert.Contains(how, seen.Violation, StringComparison.Ordinal);
    }

    private sealed class StartsAgain(string silo) : AgentProtocol(silo)
    {
        protected override bool ObeysStart => true;
    }

    private sealed class AppliesEarly(string silo) : AgentProtocol(silo)
    {
        protected override bool AppliesWithoutTarget => true;
    }

    private sealed class Hasty(int steps) : CoordinatorProtocol(steps)
    {
        protected override bool WaitsForAllSeats => false;
    }

    private void Holds(Scenario scenario)
    {
        var seen = new Explorer(scenario) { MustFinish = false }.Run(most: 400_000);
        output.WriteLine($"{scenario.Name}: {seen}");
        Assert.Null(seen.Violation);
        Assert.True(seen.Whole);
    }

    private sealed class Impatient(int steps) : CoordinatorProtocol(steps)
    {
        protected override bool WaitsForAllApplied => false;
    }

    private sealed class ReportsEarly(int steps) : CoordinatorProtocol(steps)
    {
        protected override bool ReportsBeforeStable => true;
    }

    private sealed class Credulous(int steps) : CoordinatorProtocol(steps)
    {
        protected override bool StartsFromDisputed => true;
    }

    private sealed class Trusting(int steps) : CoordinatorProtocol(steps)
    {
        protected override bool StartsFromUncompared => true;
    }

    private sealed class ComputesFromAny(string silo) : AgentProtocol(silo)
    {
        protected override bool MayComputeFrom(int layer, int version) => true;
    }

    private sealed class TakesAnyVersion(string silo) : AgentProtocol(silo)
    {
        protected override bool IsCurrent(int version) => true;
    }

    private sealed class Forgetful(string silo) : AgentProtocol(silo), IDropsEarly
    {
        public IEnumerable<AgentEffect> DropVersions(Func<int, int, bool> which) => Drop(which);
    }
}
