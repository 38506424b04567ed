using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>Something that can happen: its name, the world after it, and whether it needs a fault.</summary>
internal readonly record struct Event(Func<string> What, World Next, bool Fault = false);

/// <summary>What can happen next in a world.</summary>
internal sealed class Successors(Scenario scenario, Machines machines)
{
    private readonly Delivery delivery = new(scenario, machines);
    private readonly Faults faults = new(scenario, machines, new Delivery(scenario, machines));

    internal World Initial()
    {
        var world = new World();
        for (var i = 0; i < scenario.Silos; i++)
        {
            world.Lives[i * 2] = Life.Live;
            world.Silos[i * 2] = machines.NewSilo(i * 2);
        }

        return NewTerm(world)!;
    }

    internal World? NewTerm(World world) => faults.NewTerm(world);

    /// <summary>Every event that changes something, in the same order for the same world.</summary>
    internal IEnumerable<Event> Of(World world, bool withFaults)
    {
        foreach (var delivered in Deliveries(world)) yield return delivered;
        for (var term = 1; term <= world.Terms; term++)
        {
            foreach (var next in Coordinator(world, term, 0, "")) yield return next;
        }

        if (withFaults && scenario.DefersFaults)
        {
            foreach (var next in ArrivalsThatMatter(world)) yield return next;
        }

        if (faults.NextTerm(world) is { } recovery) yield return new(() => $"term {recovery.Terms} begins", recovery);
        if (!withFaults) yield break;
        foreach (var next in faults.Single(world)) yield return next;
        if (!scenario.DefersFaults) yield break;
        foreach (var (struck, gone, what) in faults.Sets(world))
        {
            if (faults.NextTerm(struck) is { } after) yield return new(() => $"{what()}; term {after.Terms} begins", after, true);
            if (gone == 0) continue;
            for (var term = 1; term <= struck.Terms; term++)
            {
                foreach (var next in Coordinator(struck, term, gone, what())) yield return next;
            }
        }
    }

    /// <summary>What the last coordinator does otherwise once a silo has joined or come back.</summary>
    private IEnumerable<Event> ArrivalsThatMatter(World world)
    {
        if (machines.IsFinished(world)) yield break;
        foreach (var (joined, what) in faults.Arrivals(world))
        {
            if (joined.Coordinators[^1] == world.Coordinators[^1]) continue;
            var before = Coordinator(world, world.Terms, 0, "")
                .SelectMany(next => faults.Arrivals(next.Next).Where(arrival => arrival.What == what))
                .Select(static arrival => arrival.World.Hash())
                .ToHashSet();
            foreach (var next in Coordinator(joined, world.Terms, 0, ""))
            {
                if (!before.Contains(next.Next.Hash())) yield return new(() => $"{what}; {next.What()}", next.Next, true);
            }
        }
    }

    internal bool Finished(World world) =>
        (machines.IsFinished(world) && world.Lines.Length == scenario.Steps) || machines.IsStopped(world);

    internal string Describe(World world) =>
        string.Join(
            "; ",
            Enumerable
                .Range(0, Processes.Count)
                .Where(process => world.Silos[process] != 0)
                .Select(process =>
                    $"{Processes.Name(process)} {world.Lives[process]} {machines.Silo(world.Silos[process]).Agent.Phase} "
                        + $"term{machines.Silo(world.Silos[process]).Agent.Term.Counter}"
                )
        )
        + $"; lines {world.Lines.Length}; coordinator {Describe(world.Coordinators[^1])}"
        + $"; messages {string.Join(", ", world.Messages.Select(machines.Words.Message))}";

    private string Describe(int coordinator)
    {
        if (coordinator == 0) return "gone";
        var state = machines.Coordinator(coordinator);
        return state.Ended ? "ended" : state.Protocol.Phase.ToString();
    }

    private IEnumerable<Event> Deliveries(World world)
    {
        foreach (var number in world.Messages)
        {
            var message = machines.Words.Message(number);
            if (message.ToCoordinator || delivery.Receiver(world, message.To) is not (>= 0 and var process)) continue;
            if (message.Kind == Kind.Evict)
            {
                yield return new(() => $"{Processes.Name(process)} is evicted", Evicted(world, process));
                continue;
            }

            var silo = world.Silos[process];
            if (message.Kind == Kind.Apply && world.Flips < scenario.Flips
                && Move(world, process, machines.DeliverFlipped(silo, number), flips: 1) is { } flipped)
                yield return new(() => $"{message}, and a bit flips there", flipped, true);
            if (Move(world, process, machines.Deliver(silo, number)) is { } next)
                yield return new(() => $"{message}{(process == message.To ? "" : $" reaches {Processes.Name(process)}")}", next);
            if (scenario.SlowCopies && message.Kind == Kind.Put && Move(world, process, machines.LetIn(silo, number)) is { } letIn)
                yield return new(() => $"{message} is let in", letIn);
        }

        if (!scenario.SlowCopies) yield break;
        for (var process = 0; process < Processes.Count; process++)
        {
            if (world.Silos[process] == 0) continue;
            foreach (var number in machines.Silo(world.Silos[process]).LetIn)
            {
                if (Move(world, process, machines.Complete(world.Silos[process], number)) is { } next)
                    yield return new(() => $"{machines.Words.Message(number)} completes", next);
            }
        }
    }

    private World Evicted(World world, int process)
    {
        var next = world.Copy();
        (next.Lives[process], next.Silos[process]) = (Life.Dead, 0);
        return delivery.Settle(next, []);
    }

    private World? Move(World world, int process, Machines.Outcome outcome, int flips = 0)
    {
        if (outcome.State == world.Silos[process] && Array.TrueForAll(outcome.Sent, sent => !delivery.IsNews(world, sent))) return null;
        var next = world.Copy();
        next.Silos[process] = outcome.State;
        next.Flips += flips;
        return delivery.Settle(next, outcome.Sent);
    }

    /// <param name="gone">Processes that have just been lost: only events that take all of them for lost count. 0: none, every event
    /// counts.</param>
    private IEnumerable<Event> Coordinator(World world, int term, int gone, string what)
    {
        var number = world.Coordinators[term];
        if (number == 0) yield break;
        var state = machines.Coordinator(number);
        if (state.Ended || state.Finished is not null) yield break;
        if (gone != 0 && state.Protocol.Phase != CoordinatorPhase.Fencing) yield break;
        if (state.Planning)
        {
            yield return Plan(world, term, number, false, $"coordinator {term} ");
            yield break;
        }

        if (state.Reporting >= 0)
            yield return Line(world, term, number, state);
        var answers = Array.FindAll(world.Messages, message =>
            machines.Words.Message(message) is { ToCoordinator: true } answer && answer.Term == term
        );
        if (state.Protocol.Phase == CoordinatorPhase.Fencing)
        {
            foreach (var (chosen, lost) in Choices(world, state, answers))
            {
                if ((lost & gone) != gone) continue;
                var outcome = new Machines.Outcome(number, [], true);
                foreach (var (process, answer) in chosen)
                    outcome = answer < 0 ? machines.Lost(outcome.State, process) : machines.Answer(outcome.State, answer);
                if (scenario.HandsOverAtOnce)
                {
                    // Answers stay and the lost stay lost: that a coordinator has them all may as well be just before it plans.
                    yield return Plan(
                        world,
                        term,
                        outcome.State,
                        gone != 0,
                        Fenced() + " and "
                    );
                    continue;
                }

                yield return new(
                    Fenced,
                    Next(world, term, outcome, static _ => { }),
                    gone != 0
                );

                string Fenced()
                {
                    var silent = chosen.Where(static choice => choice.Answer < 0);
                    var without = string.Concat(silent.Select(static choice => $", {Processes.Name(choice.Process)} lost"));
                    return $"{(gone == 0 ? "" : what + "; ")}coordinator {term} has every fence{without}";
                }
            }

            yield break;
        }

        foreach (var kind in answers.GroupBy(answer => machines.Words.Message(answer).Kind))
        {
            var at = number;
            foreach (var answer in kind)
            {
                var outcome = machines.Answer(at, answer);
                at = outcome.State;
                var now = machines.Coordinator(at);
                // Until the last answer of a kind has come nothing is done with them, so they may as well wait.
                if (
                    outcome.Sent.Length == 0
                    && now.Protocol.Phase == state.Protocol.Phase
                    && now.Reporting == state.Reporting
                    && now.Ended == state.Ended
                    && now.Finished == state.Finished
                )
                    continue;
                yield return new(() => $"coordinator {term} has answers: {kind.Key}", Next(world, term, outcome, static _ => { }));
                break;
            }
        }
    }

    private Event Plan(World world, int term, int number, bool fault, string what)
    {
        var opened = machines.Coordinator(number).Opened;
        var refused = !opened && scenario.FilesRefuseEarlierWriters && world.Owner > term;
        return new(
            () => $"{what}{(refused ? "is refused the files" : "plans")}",
            Next(world, term, refused ? machines.End(number) : machines.Plan(number, scenario.Flips > 0 ? world.Lines.Length : 0), next =>
            {
                if (!refused && !opened)
                    next.Owner = term;
            }),
            fault
        );
    }

    private Event Line(World world, int term, int number, CoordinatorState state)
    {
        var nowhere = world.Owner != term;
        var refused = nowhere && scenario.FilesRefuseEarlierWriters;
        var step = state.Reporting;
        return new(
            () => $"coordinator {term} {(refused ? "is refused line" : nowhere ? "writes nowhere line" : "writes line")} {step}",
            Next(world, term, refused ? machines.End(number) : machines.Written(number), next =>
            {
                if (nowhere)
                    return;
                next.Plan = state.Plan;
                if (step > next.Lines.Length)
                    next.Lines = [.. next.Lines, state.Records[step]];
                else if (step > 0 && next.Lines[step - 1] != state.Records[step])
                    next.Lines = [-1];
                // What was lost with all its seats has been replayed.
                if (step >= next.Lines.Length)
                    next.Excused = false;
            })
        );
    }

    private World Next(World world, int term, Machines.Outcome outcome, Action<World> change)
    {
        var next = world.Copy();
        change(next);
        next.Coordinators[term] = outcome.State;
        return delivery.Settle(next, outcome.Sent);
    }

    /// <summary>One answer of each silo fenced; a silo that is gone may count as lost even where it had answered.</summary>
    private IEnumerable<((int Process, int Answer)[] Chosen, int Lost)> Choices(World world, CoordinatorState state, int[] answers)
    {
        IEnumerable<((int, int)[] Chosen, int Lost)> choices = [([], 0)];
        foreach (var process in state.Roster.Where(static process => process >= 0))
        {
            var options = answers
                .Where(answer => machines.Words.Message(answer).From == process)
                .Select(answer => (process, answer))
                .ToList();
            if (world.Lives[process] != Life.Live)
                options.Add((process, -1));
            choices = choices.SelectMany(choice =>
                options.Select(option =>
                    (((int, int)[])[.. choice.Chosen, option], option.Item2 < 0 ? choice.Lost | (1 << process) : choice.Lost)
                )
            );
        }

        return choices;
    }
}
