using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>Crashes, freezes, restarts, joins, and the terms that answer them.</summary>
internal sealed class Faults(Scenario scenario, Machines machines, Delivery delivery)
{
    /// <summary>The term that begins if there is a reason for one: a loss, an end, or a coordinator that gave up.</summary>
    internal World? NextTerm(World world) => HasReason(world) && world.Terms < scenario.Terms ? NewTerm(world) : null;

    internal World? NewTerm(World world)
    {
        var roster = new int[Processes.Count / 2];
        Array.Fill(roster, -1);
        for (var process = 0; process < Processes.Count; process++)
        {
            if (world.Lives[process] == Life.Live) roster[process / 2] = process;
        }

        if (roster.All(static process => process < 0)) return null;
        var next = world.Copy();
        var term = next.Coordinators.Length;
        var begun = machines.Begin(term, roster);
        next.Coordinators = [.. next.Coordinators, begun.State];
        if (!scenario.OpensAfterFences) next.Owner = term;
        return delivery.Settle(next, begun.Sent);
    }

    /// <summary>
    /// Faults one at a time. Deferred: only those that somebody notices at once. That a process is gone is noticed only by the term that
    /// begins after it and by a coordinator that waits for its fence; until then it is a process that does nothing, which every state has
    /// among its successors. So these faults happen just before they are noticed (<see cref="Sets"/>), and the promises are checked in
    /// every state as if they had happened already (<see cref="Promises"/>). That a silo has joined or come back is noticed by the term
    /// that begins after it and by a coordinator that stops for it: it does so just before (<see cref="Arrivals"/>).
    /// </summary>
    internal IEnumerable<Event> Single(World world)
    {
        if (machines.IsFinished(world)) yield break;
        if (world.Takeovers < scenario.Takeovers && world.Terms < scenario.Terms)
        {
            var next = world.Copy();
            next.Takeovers++;
            if (NewTerm(next) is { } taken) yield return new(() => $"another coordinator begins term {taken.Terms}", taken, true);
        }

        for (var process = 0; process < Processes.Count; process++)
        {
            var who = Processes.Name(process);
            if (scenario.DefersFaults) continue;
            foreach (var (life, what) in Possible(world, process))
            {
                var next = world.Copy();
                Strike(next, process, life);
                if (life == Life.Live) AskToReplan(next);
                yield return new(() => $"{who} {what}", delivery.Settle(next, []), true);
            }
        }
    }

    /// <summary>Every set of faults that may happen at once, none excepted; <c>Gone</c>: bits of the processes lost.</summary>
    internal IEnumerable<(World World, int Gone, Func<string> What)> Sets(World world)
    {
        if (machines.IsFinished(world)) yield break;
        foreach (var (struck, gone, names) in From(world, 0, 0, []))
        {
            if (names.Length > 0) yield return (delivery.Settle(struck, []), gone, () => string.Join(", ", names));
        }
    }

    private IEnumerable<(World World, int Gone, string[] Names)> From(World world, int process, int gone, string[] names)
    {
        if (process == Processes.Count)
        {
            yield return (world, gone, names);
            yield break;
        }

        foreach (var without in From(world, process + 1, gone, names)) yield return without;
        foreach (var (life, what) in Possible(world, process))
        {
            var next = world.Copy();
            Strike(next, process, life);
            var lost = life == Life.Live ? gone : gone | (1 << process);
            foreach (var with in From(next, process + 1, lost, [.. names, $"{Processes.Name(process)} {what}"])) yield return with;
        }
    }

    private IEnumerable<(Life Life, string What)> Possible(World world, int process)
    {
        if (world.Lives[process] == Life.Live && world.Crashes < scenario.Crashes)
            yield return (Life.Dead, "crashes");
        if (world.Lives[process] == Life.Live && world.Freezes < scenario.Freezes)
            yield return (Life.Frozen, "is frozen and declared dead");
        if (process % 2 == 0 && world.Lives[process] == Life.Live && world.Doubles < scenario.Doubles)
            yield return (Life.Displaced, "is displaced: another of its name starts, empty");
        if (
            process % 2 == 1
            && world.Lives[process] == Life.None
            && world.Lives[process - 1] is Life.Dead or Life.Frozen
            && world.Restarts < scenario.Restarts
        )
            yield return (Life.Live, "starts, empty");
        if (IsNextToJoin(world, process)) yield return (Life.Live, "joins");
    }

    /// <summary>Silos that may join or come back, each by itself; the last coordinator hears of it.</summary>
    internal IEnumerable<(World World, string What)> Arrivals(World world)
    {
        for (var process = 0; process < Processes.Count; process++)
        {
            foreach (var (life, what) in Possible(world, process))
            {
                if (life != Life.Live) continue;
                var next = world.Copy();
                Strike(next, process, life);
                AskToReplan(next);
                yield return (next, $"{Processes.Name(process)} {what}");
            }
        }
    }

    private bool IsNextToJoin(World world, int process) =>
        process % 2 == 0
        && world.Lives[process] == Life.None
        && process / 2 == scenario.Silos + world.Joins
        && world.Joins < scenario.Joins
        && world.Coordinators[^1] != 0;

    private void AskToReplan(World world)
    {
        if (world.Coordinators[^1] != 0 && machines.Coordinator(world.Coordinators[^1]) is { Ended: false, Finished: null })
            world.Coordinators[^1] = machines.AskEnd(world.Coordinators[^1]).State;
    }

    private void Strike(World world, int process, Life life)
    {
        world.Lives[process] = life;
        switch (life)
        {
            case Life.Dead: world.Silos[process] = 0; world.Crashes++; break;
            case Life.Frozen: world.Freezes++; break;
            case Life.Displaced:
                world.Lives[process + 1] = Life.Live;
                world.Silos[process + 1] = machines.NewSilo(process + 1);
                world.Doubles++;
                break;
            default:
                world.Silos[process] = machines.NewSilo(process);
                if (process % 2 == 1) world.Restarts++;
                else world.Joins++;
                break;
        }
    }

    private bool HasReason(World world)
    {
        if (world.Coordinators[^1] == 0) return true;
        var current = machines.Coordinator(world.Coordinators[^1]);
        if (current.Stopped) return false;
        if (current.Ended || current.Finished is { Asked: EndRequest.Replan }) return true;
        return current.Finished is null && current.Roster.Any(process => process >= 0 && world.Lives[process] != Life.Live);
    }
}
