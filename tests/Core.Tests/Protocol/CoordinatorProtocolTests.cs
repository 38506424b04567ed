using Peft.Orleans.Core.Protocol;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol;

public class CoordinatorProtocolTests
{
    private static readonly SeatPlan Plan = new()
    {
        Silos = [new PlannedSilo("a", "a1", new Endpoint("a", 1)), new PlannedSilo("b", "b1", new Endpoint("b", 1))],
        Seats = [new Seat(0, 0, "a", true), new Seat(1, 0, "b", true)],
        Layers = 2,
        Replicas = 1,
        Positions = [0, 1],
    };

    private static readonly SeatPlan Protected = Plan with
    {
        Seats = [.. Plan.Seats, new Seat(0, 0, "b", false), new Seat(1, 0, "a", false)],
    };

    private static readonly SeatPlan Replicated = Plan with
    {
        Seats = [new Seat(0, 0, "a", true), new Seat(1, 0, "a", true), new Seat(0, 1, "b", true), new Seat(1, 1, "b", true)],
        Replicas = 2,
    };

    private static Dictionary<int, int[]> Versions(int layer, params int[] versions) => new() { [layer] = versions };

    [Fact]
    public void Nothing_is_planned_before_every_live_silo_has_answered()
    {
        var coordinator = new CoordinatorProtocol(steps: 3);
        Assert.Equal(2, coordinator.Begin(["b", "a"]).Count);
        Assert.Empty(coordinator.Fenced("a", Versions(0, 0)));
        Assert.IsType<CoordinatorEffect.MakePlan>(Assert.Single(coordinator.Fenced("b", Versions(1, 0))));
    }

    [Fact]
    public void The_target_is_the_largest_version_that_every_layer_has()
    {
        var coordinator = new CoordinatorProtocol(steps: 9);
        coordinator.Begin(["a", "b"]);
        coordinator.Fenced("a", Versions(0, 4, 5));
        coordinator.Fenced("b", Versions(1, 3, 4));
        var starts = coordinator.Planned(Plan, []);
        Assert.All(starts, start => Assert.Equal(4, Assert.IsType<CoordinatorEffect.SendStart>(start).Target));
    }

    [Theory]
    [InlineData("aa", "aa", 0, 2)]
    [InlineData("aa", "bb", 0, 1)]
    // Said to be computed by one of two only: trusted when it was reported.
    [InlineData("aa", "", 0, 1)]
    [InlineData("aa", "", 2, 2)]
    public void A_version_in_doubt_is_made_again(string a, string b, int lastLine, int target)
    {
        var coordinator = new CoordinatorProtocol(steps: 9);
        coordinator.Begin(["a", "b"]);
        coordinator.Fenced("a", new Dictionary<int, int[]> { [0] = [1, 2], [1] = [1, 2] }, [new VersionClaim(1, 2, a)]);
        coordinator.Fenced("b", Versions(0, 1, 2), b.Length > 0 ? [new VersionClaim(1, 2, b)] : []);
        var starts = coordinator.Planned(Replicated, [], lastLine);
        Assert.All(starts, start => Assert.Equal(target, Assert.IsType<CoordinatorEffect.SendStart>(start).Target));
    }

    [Fact]
    public void A_snapshot_counts_as_a_holder_and_version_zero_can_always_be_computed()
    {
        var coordinator = new CoordinatorProtocol(steps: 9);
        coordinator.Begin(["a", "b"]);
        coordinator.Fenced("a", Versions(0, 4, 5));
        coordinator.Lost("b");
        Assert.Equal(2, Assert.IsType<CoordinatorEffect.SendStart>(Assert.Single(coordinator.Planned(Plan, [2]))).Target);

        coordinator.Begin(["a"]);
        coordinator.Fenced("a", Versions(0, 4, 5));
        Assert.Equal(0, Assert.IsType<CoordinatorEffect.SendStart>(Assert.Single(coordinator.Planned(Plan, []))).Target);
    }

    [Fact]
    public void Without_copies_a_step_is_stable_when_all_have_applied_and_the_next_is_applied_only_when_it_is_reported()
    {
        var coordinator = Computing(Plan, steps: 2);
        coordinator.GradientsComputed(1);
        Assert.Empty(coordinator.Prepared("a", 1));
        Assert.Equal(2, coordinator.Prepared("b", 1).Count);
        Assert.Empty(coordinator.Applied("a", 1));
        Assert.Equal(0, coordinator.Stable);
        Assert.Equal<CoordinatorEffect>(
            [new CoordinatorEffect.Report(1), new CoordinatorEffect.ComputeGradients(2)],
            coordinator.Applied("b", 1)
        );
        Assert.Equal(1, coordinator.Stable);
        Assert.Empty(PrepareAll(coordinator, 2));
        Assert.Equal(CoordinatorPhase.Holding, coordinator.Phase);
        Assert.Equal<CoordinatorEffect>(
            [new CoordinatorEffect.SendApply("a", 2), new CoordinatorEffect.SendApply("b", 2)],
            coordinator.Reported(1)
        );
    }

    [Fact]
    public void Gradients_of_the_next_step_are_computed_while_copies_travel_and_only_apply_waits()
    {
        var coordinator = Computing(Protected, steps: 3);
        PrepareAll(coordinator, 1);
        coordinator.Applied("a", 1);
        var effects = coordinator.Applied("b", 1);
        Assert.Equal<CoordinatorEffect>(
            [
                new CoordinatorEffect.SendProtect("a", 1),
                new CoordinatorEffect.SendProtect("b", 1),
                new CoordinatorEffect.ComputeGradients(2),
            ],
            effects
        );
        Assert.Empty(PrepareAll(coordinator, 2));
        Assert.Empty(coordinator.Protected("a", 1));
        Assert.Equal(0, coordinator.Stable);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Report(1)], coordinator.Protected("b", 1));
        Assert.Equal(1, coordinator.Stable);
        Assert.All(coordinator.Reported(1), static effect => Assert.Equal(2, Assert.IsType<CoordinatorEffect.SendApply>(effect).Step));
    }

    [Fact]
    public void A_step_reported_before_its_successor_is_prepared_holds_nothing_up()
    {
        var coordinator = Computing(Protected, steps: 3);
        PrepareAll(coordinator, 1);
        coordinator.Applied("a", 1);
        coordinator.Applied("b", 1);
        coordinator.Protected("b", 1);
        coordinator.Protected("a", 1);
        Assert.Empty(coordinator.Reported(1));
        Assert.Equal(2, PrepareAll(coordinator, 2).Count);
    }

    [Fact]
    public void The_last_step_is_finished_only_after_it_is_protected_and_reported()
    {
        var coordinator = Computing(Protected, steps: 1);
        PrepareAll(coordinator, 1);
        coordinator.Applied("a", 1);
        Assert.All(coordinator.Applied("b", 1), static effect => Assert.IsType<CoordinatorEffect.SendProtect>(effect));
        coordinator.Protected("a", 1);
        Assert.IsType<CoordinatorEffect.Report>(Assert.Single(coordinator.Protected("b", 1)));
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Finish(1, EndRequest.None)], coordinator.Reported(1));
        Assert.False(coordinator.Active);
    }

    [Fact]
    public void Version_zero_is_copied_before_it_is_reported()
    {
        var coordinator = Starting(Protected, steps: 1);
        coordinator.Started("a", lacksVersion: true);
        Assert.IsType<CoordinatorEffect.Initialize>(Assert.Single(coordinator.Started("b", lacksVersion: false)));
        Assert.All(coordinator.Initialized(), static effect =>
            Assert.Equal(0, Assert.IsType<CoordinatorEffect.SendProtect>(effect).Version)
        );
        coordinator.Protected("a", 0);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Report(0)], coordinator.Protected("b", 0));
    }

    [Fact]
    public void With_replicas_the_first_seats_gather_before_anyone_prepares()
    {
        var coordinator = Computing(Replicated, steps: 2);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.SendReduce("a", 1)], coordinator.GradientsComputed(1));
        Assert.Equal(CoordinatorPhase.Reducing, coordinator.Phase);
        Assert.Empty(coordinator.Reduced("b", 1));
        Assert.Empty(coordinator.Reduced("a", 2));
        Assert.Equal(2, coordinator.Reduced("a", 1).Count);
        Assert.Equal(CoordinatorPhase.Preparing, coordinator.Phase);
    }

    [Fact]
    public void A_new_plan_asked_for_takes_effect_at_the_next_reported_version_and_a_stop_wins_over_it()
    {
        var coordinator = Computing(Protected, steps: 3);
        PrepareAll(coordinator, 1);
        coordinator.AskEnd(EndRequest.Replan);
        coordinator.Applied("a", 1);
        Assert.DoesNotContain(coordinator.Applied("b", 1), static effect => effect is CoordinatorEffect.ComputeGradients);
        coordinator.Protected("a", 1);
        coordinator.Protected("b", 1);
        coordinator.AskEnd(EndRequest.Stop);
        coordinator.AskEnd(EndRequest.Replan);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Finish(1, EndRequest.Stop)], coordinator.Reported(1));
    }

    [Fact]
    public void A_new_plan_asked_for_while_the_next_step_is_prepared_discards_that_step()
    {
        var coordinator = Computing(Protected, steps: 3);
        PrepareAll(coordinator, 1);
        coordinator.Applied("a", 1);
        coordinator.Applied("b", 1);
        PrepareAll(coordinator, 2);
        coordinator.AskEnd(EndRequest.Replan);
        coordinator.Protected("a", 1);
        coordinator.Protected("b", 1);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Finish(1, EndRequest.Replan)], coordinator.Reported(1));
    }

    [Fact]
    public void A_new_plan_asked_for_while_gradients_are_computed_takes_effect_when_they_are_done()
    {
        var coordinator = Computing(Protected, steps: 3);
        coordinator.AskEnd(EndRequest.Replan);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Finish(0, EndRequest.Replan)], coordinator.GradientsComputed(1));
    }

    [Fact]
    public void At_the_last_step_a_request_to_end_changes_nothing()
    {
        var coordinator = Computing(Plan, steps: 1);
        PrepareAll(coordinator, 1);
        coordinator.AskEnd(EndRequest.Stop);
        coordinator.Applied("a", 1);
        coordinator.Applied("b", 1);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Finish(1, EndRequest.None)], coordinator.Reported(1));
    }

    [Fact]
    public void Duplicate_and_stale_answers_have_no_effect()
    {
        var coordinator = Computing(Plan, steps: 3);
        PrepareAll(coordinator, 1);
        Assert.Empty(coordinator.Prepared("a", 1));
        Assert.Empty(coordinator.Applied("a", 1));
        Assert.Empty(coordinator.Applied("a", 1));
        Assert.Equal(CoordinatorPhase.Applying, coordinator.Phase);
        Assert.Empty(coordinator.Applied("b", 2));
    }

    [Fact]
    public void A_stop_during_a_step_takes_effect_when_that_step_is_reported()
    {
        var coordinator = Computing(Plan, steps: 3);
        PrepareAll(coordinator, 1);
        coordinator.AskEnd(EndRequest.Stop);
        coordinator.Applied("a", 1);
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Report(1)], coordinator.Applied("b", 1));
        Assert.Equal<CoordinatorEffect>([new CoordinatorEffect.Finish(1, EndRequest.Stop)], coordinator.Reported(1));
    }

    private static CoordinatorProtocol Starting(SeatPlan plan, int steps)
    {
        var coordinator = new CoordinatorProtocol(steps);
        coordinator.Begin(["a", "b"]);
        coordinator.Fenced("a", new Dictionary<int, int[]>());
        coordinator.Fenced("b", new Dictionary<int, int[]>());
        coordinator.Planned(plan, []);
        return coordinator;
    }

    private static CoordinatorProtocol Computing(SeatPlan plan, int steps)
    {
        var coordinator = Starting(plan, steps);
        coordinator.Started("a", lacksVersion: false);
        Assert.IsType<CoordinatorEffect.Report>(Assert.Single(coordinator.Started("b", lacksVersion: false)));
        Assert.IsType<CoordinatorEffect.ComputeGradients>(Assert.Single(coordinator.Reported(0)));
        return coordinator;
    }

    private static IReadOnlyList<CoordinatorEffect> PrepareAll(CoordinatorProtocol coordinator, int step)
    {
        coordinator.GradientsComputed(step);
        coordinator.Prepared("a", step);
        return coordinator.Prepared("b", step);
    }
}
