using Peft.Orleans.Core.Protocol;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol;

public class AgentProtocolTests
{
    private static readonly Term First = new(1, Guid.NewGuid());
    private static readonly Term Second = new(2, Guid.NewGuid());

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

    private static AgentProtocol StartedAt(int version)
    {
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        agent.Start(First, Plan, version);
        agent.Held(First, 0, version);
        return agent;
    }

    [Fact]
    public void A_lower_term_is_refused_everywhere()
    {
        var agent = StartedAt(0);
        agent.Fence(Second);
        Assert.False(agent.Fence(First).Accepted);
        Assert.False(agent.Start(First, Plan, 0).Accepted);
        Assert.False(agent.Compute(First, 1, 0).Accepted);
        Assert.False(agent.StoreLeaf(First, 1, 0).Accepted);
        Assert.False(agent.Prepare(First, 1).Accepted);
        Assert.False(agent.Apply(First, 1).Accepted);
        Assert.False(agent.Held(First, 0, 1).Accepted);
    }

    [Fact]
    public void The_same_counter_with_another_nonce_is_refused()
    {
        var agent = StartedAt(0);
        Assert.False(agent.Fence(new Term(1, Guid.NewGuid())).Accepted);
        Assert.Equal(First, agent.Term);
    }

    [Fact]
    public void A_process_that_saw_no_fence_acknowledges_nothing()
    {
        var agent = new AgentProtocol("a");
        Assert.False(agent.Start(First, Plan, 0).Accepted);
        Assert.False(agent.Apply(First, 1).Accepted);
        Assert.Equal(AgentPhase.Empty, agent.Phase);
    }

    [Fact]
    public void Fenced_silos_compute_nothing_until_they_are_started_and_hold_the_target()
    {
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        Assert.False(agent.Compute(First, 1, 0).Accepted);
        agent.Start(First, Plan, 0);
        Assert.Equal(AgentPhase.Seating, agent.Phase);
        Assert.False(agent.Compute(First, 1, 0).Accepted);
        agent.Held(First, 0, 0);
        Assert.True(agent.Compute(First, 1, 0).Accepted);
    }

    [Fact]
    public void Start_is_obeyed_once()
    {
        var agent = StartedAt(0);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        var again = agent.Start(First, Plan, 0);
        Assert.True(again.Accepted);
        Assert.Empty(again.Effects);
        Assert.Equal([0, 1], agent.Inventory[0]);
    }

    [Fact]
    public void A_duplicate_fence_of_the_term_in_force_changes_nothing()
    {
        var agent = StartedAt(0);
        Assert.Empty(agent.Fence(First).Effects);
        Assert.Equal(AgentPhase.Started, agent.Phase);
    }

    [Fact]
    public void Versions_newer_than_the_target_are_dropped_the_one_before_it_stays()
    {
        var agent = StartedAt(0);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        agent.Fence(Second);
        var decision = agent.Start(Second, Plan, 0);
        Assert.Contains(new AgentEffect.DropVersion(0, 1), decision.Effects);
        Assert.Equal([0], agent.Inventory[0]);
    }

    [Fact]
    public void A_silo_that_missed_an_apply_drops_what_the_target_shows_to_be_superseded()
    {
        var agent = StartedAt(0);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        agent.Fence(Second);
        agent.Start(Second, Plan, 2);
        agent.Held(Second, 0, 2);
        Assert.Equal([1, 2], agent.Inventory[0]);
    }

    [Fact]
    public void A_seat_never_holds_more_than_two_versions()
    {
        var agent = StartedAt(0);
        for (var step = 1; step <= 20; step++)
        {
            Assert.True(agent.Prepare(First, step).Accepted);
            Assert.True(agent.Apply(First, step).Accepted);
            agent.Held(First, 0, step);
            Assert.True(agent.Inventory[0].Length <= 2);
            Assert.Contains(step - 1, agent.Inventory[0]);
        }
    }

    [Fact]
    public void A_step_is_taken_once_and_a_copy_of_apply_is_only_acknowledged()
    {
        var agent = StartedAt(0);
        Assert.Single(agent.Apply(First, 1).Effects.OfType<AgentEffect.TakeStep>());
        agent.Held(First, 0, 1);
        var copy = agent.Apply(First, 1);
        Assert.True(copy.Accepted);
        Assert.Empty(copy.Effects.OfType<AgentEffect.TakeStep>());
    }

    [Fact]
    public void A_late_copy_of_an_earlier_apply_is_refused_where_nothing_computes_too()
    {
        var agent = new AgentProtocol("c");
        agent.Fence(First);
        agent.Start(First, Plan, 0);
        Assert.True(agent.Apply(First, 1).Accepted);
        Assert.True(agent.Apply(First, 2).Accepted);
        Assert.False(agent.Apply(First, 1).Accepted);
    }

    [Fact]
    public void A_gradient_computed_from_another_version_is_refused_and_none_is_stored_after_prepare()
    {
        var agent = StartedAt(0);
        Assert.False(agent.Compute(First, 2, 0).Accepted);
        Assert.True(agent.StoreLeaf(First, 1, 0).Accepted);
        agent.Prepare(First, 1);
        Assert.False(agent.StoreLeaf(First, 1, 0).Accepted);
    }

    [Fact]
    public void A_passive_seat_is_seated_only_when_it_holds_the_target_too()
    {
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        var seats = Assert.Single(agent.Start(First, Protected, 2).Effects.OfType<AgentEffect.TakeSeats>());
        Assert.Equal([0], seats.Active);
        Assert.Equal([0, 1], seats.Missing);
        agent.Held(First, 0, 2);
        Assert.Equal(AgentPhase.Seating, agent.Phase);
        Assert.True(agent.Take(First, 1, 2).Accepted);
        agent.Held(First, 1, 2);
        Assert.Equal(AgentPhase.Started, agent.Phase);
    }

    [Fact]
    public void Apply_lets_only_active_seats_take_the_step_and_the_passive_one_waits_for_its_copy()
    {
        var agent = ProtectedAt(0);
        Assert.Equal([0], Assert.Single(agent.Apply(First, 1).Effects.OfType<AgentEffect.TakeStep>()).Layers);
        Assert.True(agent.Take(First, 1, 1).Accepted);
    }

    [Fact]
    public void A_copy_is_refused_before_its_apply_after_the_next_one_and_without_a_seat()
    {
        var agent = ProtectedAt(0);
        Assert.False(agent.Take(First, 1, 1).Accepted);
        Assert.False(agent.Take(First, 7, 0).Accepted);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        Assert.False(agent.Take(First, 1, 0).Accepted);
        Assert.False(agent.Take(Second, 1, 1).Accepted);
        agent.Fence(Second);
        Assert.False(agent.Take(First, 1, 1).Accepted);
        Assert.False(agent.Take(Second, 1, 1).Accepted);
    }

    [Fact]
    public void A_copy_that_was_let_in_and_completes_after_the_next_apply_is_not_kept()
    {
        var agent = ProtectedAt(0);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        Assert.True(agent.Take(First, 1, 1).Accepted);
        agent.Held(First, 1, 1);
        agent.Apply(First, 2);
        agent.Held(First, 0, 2);
        agent.Held(First, 1, 2);
        agent.Apply(First, 3);
        Assert.False(agent.Held(First, 1, 1).Accepted);
        Assert.Equal([2], agent.Inventory[1]);
    }

    [Fact]
    public void Nothing_but_the_target_is_kept_while_seats_are_taken()
    {
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        agent.Start(First, Protected, 2);
        Assert.False(agent.Held(First, 0, 0).Accepted);
        Assert.True(agent.Held(First, 0, 2).Accepted);
    }

    [Fact]
    public void First_seats_send_a_held_version_to_the_passive_seats_and_refuse_one_they_lack()
    {
        var agent = ProtectedAt(0);
        Assert.False(agent.Protect(First, 1).Accepted);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        var send = Assert.Single(agent.Protect(First, 1).Effects.OfType<AgentEffect.SendCopies>());
        Assert.Equal((0, 1), (send.Layer, send.Version));
        Assert.Equal(["b"], send.Silos);
        agent.Fence(Second);
        Assert.False(agent.Protect(Second, 1).Accepted);
    }

    [Fact]
    public void Of_version_zero_the_other_replicas_are_sent_copies_too_and_later_versions_they_compute()
    {
        var plan = Plan with { Seats = [new Seat(0, 0, "a", true), new Seat(0, 1, "b", true)], Layers = 1, Replicas = 2, Positions = [0] };
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        agent.Start(First, plan, 0);
        agent.Held(First, 0, 0);
        Assert.Equal(["b"], Assert.Single(agent.Protect(First, 0).Effects.OfType<AgentEffect.SendCopies>()).Silos);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        Assert.Empty(agent.Protect(First, 1).Effects);
    }

    [Fact]
    public void A_silo_outside_the_plan_keeps_its_versions_until_the_first_apply()
    {
        var agent = new AgentProtocol("c");
        agent.Fence(First);
        agent.Start(First, Plan with { Seats = [.. Plan.Seats, new Seat(0, 0, "c", false)] }, 0);
        agent.Held(First, 0, 0);
        agent.Apply(First, 1);
        agent.Held(First, 0, 1);
        agent.Fence(Second);
        agent.Start(Second, Plan, 1);
        Assert.Equal([0, 1], agent.Inventory[0]);
        agent.Apply(Second, 2);
        Assert.Equal([1], agent.Inventory[0]);
        agent.Apply(Second, 3);
        Assert.Empty(agent.Inventory[0]);
    }

    [Fact]
    public void The_base_may_be_computed_with_before_version_zero_exists_but_not_without_seats()
    {
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        Assert.False(agent.ComputeBase(First).Accepted);
        agent.Start(First, Plan, 0);
        Assert.True(agent.ComputeBase(First).Accepted);
        Assert.False(agent.Compute(First, 1, 0).Accepted);
    }

    private static AgentProtocol ProtectedAt(int version)
    {
        var agent = new AgentProtocol("a");
        agent.Fence(First);
        agent.Start(First, Protected, version);
        agent.Held(First, 0, version);
        agent.Held(First, 1, version);
        return agent;
    }
}
