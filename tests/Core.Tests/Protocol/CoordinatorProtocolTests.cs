using Peft.Orleans.Core.Protocol;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol;

public class CoordinatorProtocolTests
{
    private static readonly SeatPlan Plan = new()
    {
        Silos = [new PlannedSilo("a", "a1", "a:1"), new PlannedSilo("b", "b1", "b:1")],
        Seats = [new Seat(0, 0, "a", true), new Seat(1, 0, "b", true)],
        Layers = 2,
        Replicas = 1,
        Stages = [0, 1],
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
    public void A_step_is_committed_only_when_all_have_applied_and_reported_before_the_next_begins()
    {
        var coordinator = Computing(steps: 2);
        Assert.Empty(coordinator.Prepared("a", 1));
        var applies = PrepareAll(coordinator, 1);
        Assert.Equal(2, applies.Count);
        Assert.Empty(coordinator.Applied("a", 1));
        Assert.Equal(0, coordinator.Stable);
        Assert.Equal(1, Assert.IsType<CoordinatorEffect.Report>(Assert.Single(coordinator.Applied("b", 1))).Step);
        Assert.Equal(1, coordinator.Stable);
        Assert.Equal(2, Assert.IsType<CoordinatorEffect.ComputeGradients>(Assert.Single(coordinator.Reported(1))).Step);
    }

    [Fact]
    public void Duplicate_and_stale_answers_have_no_effect()
    {
        var coordinator = Computing(steps: 3);
        PrepareAll(coordinator, 1);
        Assert.Empty(coordinator.Prepared("a", 1));
        Assert.Empty(coordinator.Applied("a", 1));
        Assert.Empty(coordinator.Applied("a", 1));
        Assert.Equal(CoordinatorPhase.Applying, coordinator.Phase);
        Assert.Empty(coordinator.Applied("b", 2));
    }

    [Fact]
    public void A_stop_takes_effect_at_the_next_stable_version()
    {
        var coordinator = Computing(steps: 3);
        coordinator.AskStop();
        PrepareAll(coordinator, 1);
        coordinator.Applied("a", 1);
        coordinator.Applied("b", 1);
        var finish = Assert.IsType<CoordinatorEffect.Finish>(Assert.Single(coordinator.Reported(1)));
        Assert.True(finish.Stopped);
        Assert.Equal(1, finish.Step);
    }

    private static CoordinatorProtocol Computing(int steps)
    {
        var coordinator = new CoordinatorProtocol(steps);
        coordinator.Begin(["a", "b"]);
        coordinator.Fenced("a", new Dictionary<int, int[]>());
        coordinator.Fenced("b", new Dictionary<int, int[]>());
        coordinator.Planned(Plan, []);
        coordinator.Started("a", lacksVersion: true);
        Assert.IsType<CoordinatorEffect.Initialize>(Assert.Single(coordinator.Started("b", lacksVersion: true)));
        Assert.IsType<CoordinatorEffect.Report>(Assert.Single(coordinator.Initialized()));
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
