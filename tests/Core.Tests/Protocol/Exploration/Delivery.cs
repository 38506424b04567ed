using System.Numerics;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>
/// Puts messages under way, forgets those that can do nothing any more, and hands over at once what no promise sees.
/// </summary>
/// <remarks>
/// Why handing over at once loses nothing. Such a message changes only what the next <c>Fence</c> wipes out (leaves, measures) or what
/// nobody but the coordinator reads (its count of answers); it commutes with everything else of its term, and what it makes are more
/// messages, which may be lost as all may. So a state in which it has been handed over has every future of the state in which it has not,
/// as far as versions held and lines written are concerned. To a frozen silo everything but a fence is handed over at once: what it holds
/// does not count; and a fence to a silo that nothing of a lower term can reach any more. <see cref="ReductionTests"/> compares both ways
/// of going through the same scenarios.
/// </remarks>
internal sealed class Delivery(Scenario scenario, Machines machines)
{
    /// <summary>The process a message reaches; −1: none.</summary>
    internal int Receiver(World world, int to)
    {
        if (world.Silos[to] != 0) return to;
        return scenario.AddressedByName && to % 2 == 0 && world.Silos[to + 1] != 0 ? to + 1 : -1;
    }

    /// <summary>Whether a message, sent now, adds anything.</summary>
    internal bool IsNews(World world, int number)
    {
        if (Array.BinarySearch(world.Messages, number) >= 0) return false;
        var message = machines.Words.Message(number);
        if (message.ToCoordinator) return Matters(world, message, number);
        return MayArrive(world, message, number) && !(scenario.HandsOverAtOnce && message.AtOnce && !Pending(world, message, number));
    }

    /// <summary>After a change: prunes, sends, and hands over at once until nothing is left to be handed over.</summary>
    internal World Settle(World world, int[] sent)
    {
        var queue = new Queue<int>(sent);
        Prune(world);
        while (true)
        {
            while (queue.TryDequeue(out var number))
            {
                if (IsNews(world, number)) world.Add(number);
            }

            if (!scenario.HandsOverAtOnce || HandOver(world) is not { } more) break;
            foreach (var number in more) queue.Enqueue(number);
        }

        world.Keep(number =>
            machines.Words.Message(number) is var message
            && (message.ToCoordinator ? Matters(world, message, number) : MayArrive(world, message, number))
        );
        Excuse(world);
        if (scenario.Renumbers) Renumber(world);
        return world;
    }

    /// <summary>
    /// Terms that nothing speaks of any more leave no gap: only their order and equality matter, so what is the same but for the numbers is
    /// one state, however many terms it took to come there.
    /// </summary>
    private void Renumber(World world)
    {
        var used = 1 << world.Terms;
        for (var term = 1; term < world.Terms; term++) used |= world.Coordinators[term] != 0 ? 1 << term : 0;
        foreach (var silo in world.Silos) used |= silo != 0 ? 1 << machines.Silo(silo).Agent.Term.Counter : 0;
        foreach (var number in world.Messages) used |= 1 << machines.Words.Message(number).Term;
        // Who opened the files last matters to those that have not, and to itself.
        if ((used & ((2 << world.Owner) - 2)) == 0) world.Owner = 0;
        used = (used | (1 << world.Owner)) & ~1;
        if (used == (2 << BitOperations.PopCount((uint)used)) - 2) return;
        int Rank(int term) => BitOperations.PopCount((uint)(used & ((2 << term) - 1)));
        for (var process = 0; process < Processes.Count; process++)
        {
            if (world.Silos[process] is not 0 and var silo && machines.Silo(silo).Agent.Term.Counter is > 0 and var term)
                world.Silos[process] = machines.RenumberedSilo(silo, Rank(term));
        }

        world.Messages =
        [
            .. world.Messages.Select(number => machines.Renumbered(number, Rank(machines.Words.Message(number).Term))).Order(),
        ];
        var coordinators = new int[BitOperations.PopCount((uint)used) + 1];
        for (var term = 1; term <= world.Terms; term++)
        {
            if ((used & (1 << term)) != 0 && world.Coordinators[term] != 0)
                coordinators[Rank(term)] = machines.RenumberedCoordinator(world.Coordinators[term], Rank(term));
        }

        world.Owner = Rank(world.Owner);
        world.Coordinators = coordinators;
    }

    private int[]? HandOver(World world)
    {
        foreach (var number in world.Messages)
        {
            var message = machines.Words.Message(number);
            Machines.Outcome outcome;
            if (message.ToCoordinator)
            {
                if (message.Kind == Kind.Fenced || world.Coordinators[message.Term] is not (> 0 and var coordinator)) continue;
                outcome = machines.Answer(coordinator, number);
                if (outcome.State == coordinator || !ArrivalChangesNothing(world, coordinator, message.Term, number, outcome)) continue;
                world.Coordinators[message.Term] = outcome.State;
            }
            else
            {
                if (message.Kind == Kind.Evict) continue;
                if (
                    Receiver(world, message.To) is not (>= 0 and var process)
                    || !(
                        message.AtOnce
                        || (message.Kind == Kind.Fence ? IsLeftAlone(world, process, message.Term) : world.Lives[process].IsOutside())
                    )
                )
                    continue;
                outcome = machines.Deliver(world.Silos[process], number);
                if (!outcome.Accepted || (!message.AtOnce && outcome.State == world.Silos[process])) continue;
                world.Silos[process] = outcome.State;
            }

            world.Keep(other => other != number);
            return outcome.Sent;
        }

        return null;
    }

    /// <summary>Whether nothing of a lower term can reach a silo any more: then a fence may as well arrive as soon as it is sent.</summary>
    private bool IsLeftAlone(World world, int process, int fence)
    {
        var term = machines.Silo(world.Silos[process]).Agent.Term.Counter;
        if (term > 0 && world.Coordinators[term] != 0) return false;
        for (var other = 0; term > 0 && other < Processes.Count; other++)
        {
            if (other != process && world.Silos[other] != 0 && machines.Silo(world.Silos[other]).Agent.Term.Counter == term) return false;
        }

        return !Array.Exists(world.Messages, number =>
            machines.Words.Message(number) is { ToCoordinator: false } message
            && message.To == process
            && message.Term < fence
            && message.Term >= term
        );
    }

    /// <summary>Whether it is the same for a coordinator to hear of a silo that joins before or after an answer.</summary>
    private bool ArrivalChangesNothing(World world, int coordinator, int term, int answer, Machines.Outcome outcome)
    {
        if ((world.Joins >= scenario.Joins && world.Restarts >= scenario.Restarts) || term != world.Terms) return true;
        var before = machines.Answer(machines.AskEnd(coordinator).State, answer);
        return before.State == machines.AskEnd(outcome.State).State && before.Sent.AsSpan().SequenceEqual(outcome.Sent);
    }

    private bool Pending(World world, Message message, int number) =>
        Receiver(world, message.To) is not (>= 0 and var process)
        || machines.Deliver(world.Silos[process], number) is not { Accepted: true } outcome
        || outcome.State != world.Silos[process]
        || outcome.Sent.Any(sent => IsNews(world, sent));

    /// <summary>An answer that can do nothing now never can: an answer comes only to a question, and no question is asked twice.</summary>
    private bool Matters(World world, Message answer, int number) =>
        world.Coordinators[answer.Term] is not 0 and var coordinator
        && machines.Answer(coordinator, number) is var outcome
        && (outcome.State != coordinator || outcome.Sent.Length > 0);

    private bool MayArrive(World world, Message message, int number)
    {
        if (message.Kind == Kind.Evict) return world.Silos[message.To] != 0;
        if (Receiver(world, message.To) is not (>= 0 and var process))
            return scenario.AddressedByName
                && message.To % 2 == 0
                && world.Lives[message.To + 1] == Life.None
                && world.Restarts < scenario.Restarts;
        var silo = world.Silos[process];
        var state = machines.Silo(silo);
        var late = message.Term < state.Agent.Term.Counter;
        if (scenario.GradientsOfAnyTerm && message.IsGradient) return true;
        if (!late && !scenario.ForgetsObeyed) return true;
        var outcome = machines.Deliver(silo, number);
        if (outcome.State != silo) return true;
        if (late) return outcome.Accepted;
        if (message.Term > state.Agent.Term.Counter) return true;
        // Obeyed before, or of a version that this silo has left behind: a second copy does nothing, now and ever.
        if (outcome.Accepted) return outcome.Sent.Any(sent => IsNews(world, sent));
        return !(message.Kind is Kind.Apply or Kind.Put or Kind.Value && message.Step < state.Reached);
    }

    /// <summary>Coordinators that nobody listens to any more, and frozen processes that only those would address.</summary>
    private void Prune(World world)
    {
        for (var term = 1; term < world.Terms; term++)
        {
            if (world.Coordinators[term] == 0) continue;
            var state = machines.Coordinator(world.Coordinators[term]);
            var harmless = (state.Opened || scenario.FilesRefuseEarlierWriters) && world.Owner > term;
            if (
                state.Ended
                || (scenario.ForgetsObeyed && IsStuck(world, term, state))
                || (
                    harmless
                    && state.Roster.All(process =>
                        process < 0
                        || Receiver(world, process) is not (>= 0 and var reached)
                        || world.Lives[reached] != Life.Live
                        || machines.Silo(world.Silos[reached]).Agent.Term.Counter > term
                    )
                )
            )
                world.Coordinators[term] = 0;
        }

        for (var process = 0; process < Processes.Count; process++)
        {
            if (!world.Lives[process].IsOutside()) continue;
            var seen = machines.Silo(world.Silos[process]).Agent.Term.Counter;
            var addressed = false;
            for (var other = 0; other < Processes.Count; other++)
                addressed |= world.Lives[other] == Life.Live && machines.Silo(world.Silos[other]).Agent.Term.Counter == seen;
            for (var term = 1; term <= world.Terms; term++)
                addressed |=
                    world.Coordinators[term] != 0 && Array.IndexOf(machines.Coordinator(world.Coordinators[term]).Roster, process) >= 0;
            if (addressed)
                continue;
            world.Lives[process] = Life.Dead;
            world.Silos[process] = 0;
        }
    }

    /// <summary>
    /// An earlier coordinator that waits for a silo which has gone over to a later one, has not answered, and never will.
    /// </summary>
    private bool IsStuck(World world, int term, CoordinatorState state)
    {
        if (
            state.Reporting >= 0
            || !(
                state.Protocol.Phase is CoordinatorPhase.Starting or CoordinatorPhase.Applying
                || (
                    state.Protocol.Phase == CoordinatorPhase.Fencing
                    && world.Crashes == scenario.Crashes
                    && world.Freezes == scenario.Freezes
                    && world.Doubles == scenario.Doubles
                )
            )
        )
            return false;
        foreach (var process in state.Roster)
        {
            if (process < 0 || !ProtocolCopies.Waiting(state.Protocol).Contains(Processes.Silo(process))) continue;
            var gone = world.Lives[process] is Life.Live or Life.Frozen or Life.Displaced
                && machines.Silo(world.Silos[process]).Agent.Term.Counter > term;
            gone |= world.Lives[process] == Life.Dead && state.Protocol.Phase != CoordinatorPhase.Fencing;
            if (state.Protocol.Phase == CoordinatorPhase.Fencing && world.Lives[process] != Life.Live)
                continue;
            if (
                gone
                && !Array.Exists(world.Messages, number =>
                    machines.Words.Message(number) is { ToCoordinator: true } answer && answer.Term == term && answer.From == process
                )
            )
                return true;
        }

        return false;
    }

    /// <summary>All seats of a layer are lost at once: what was reported can only be replayed.</summary>
    private void Excuse(World world)
    {
        if (world.Excused || world.Plan == 0) return;
        foreach (var seats in machines.Seats(world.Plan))
        {
            var lost = true;
            for (var process = 0; process < Processes.Count; process++)
                lost &= (seats & (1 << process)) == 0 || world.Lives[process] != Life.Live;
            world.Excused |= lost;
        }
    }
}
