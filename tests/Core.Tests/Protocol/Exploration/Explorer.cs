namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>What an exploration has seen.</summary>
internal sealed record Exploration(int States, int Ends, int Driven, bool Whole, string? Violation, IReadOnlyList<string> Trace)
{
    public override string ToString()
    {
        var cut = Whole ? "" : ", cut off";
        var trace = string.Join('\n', Trace.Select(static (line, i) => $"{i + 1,3}. {line}"));
        var broken = Violation is null ? "" : $"\n{Violation}\n{trace}";
        return $"{States:N0} states, {Ends:N0} ends, {Driven:N0} pairs of local state and event driven{cut}{broken}";
    }
}

/// <summary>
/// Goes through every state that a scenario allows, each once. A state in which nothing can happen without a fault is an end: from there,
/// with no more faults and as many terms as it takes, the run must finish.
/// </summary>
internal sealed class Explorer(Scenario scenario)
{
    private readonly Machines machines = new(scenario);
    private readonly StateSet seen = new();
    private readonly HashSet<UInt128> finishes = [];
    private readonly List<(int Parent, int Move)> history = [];

    /// <summary>Whether a run that hangs counts; a weaker rule may hang before it does worse.</summary>
    internal bool MustFinish { get; init; } = true;

    /// <summary>Called with every new state.</summary>
    internal Action<World, Machines>? Visit { get; init; }

    /// <summary>Breadth first: the first violation found has a shortest trace. Depth first: needs little memory.</summary>
    internal Exploration Run(bool breadthFirst = false, int most = int.MaxValue)
    {
        var successors = new Successors(scenario, machines);
        var promises = new Promises(scenario, machines);
        var queue = new Queue<(World World, int At)>();
        var stack = new Stack<(World World, int At)>();
        var ends = 0;
        var start = successors.Initial();
        seen.Add(start.Hash());
        history.Add((-1, 0));
        queue.Enqueue((start, 0));
        Visit?.Invoke(start, machines);
        while (stack.Count > 0 || queue.Count > 0)
        {
            var (world, at) = stack.Count > 0 ? stack.Pop() : queue.Dequeue();
            var (moves, unforced) = (0, 0);
            var here = world.Hash();
            foreach (var (what, next, fault) in successors.Of(world, withFaults: true))
            {
                var hash = next.Hash();
                if (hash == here) throw new InvalidOperationException($"'{what()}' changes nothing: {successors.Describe(world)}");
                if (!fault) unforced++;
                moves++;
                if (!seen.Add(hash)) continue;
                history.Add((at, moves - 1));
                Visit?.Invoke(next, machines);
                if (promises.BrokenIn(next) is { } violation) return Result(successors, ends, true, violation, history.Count - 1);
                if (seen.Count >= most) return Result(successors, ends, false, null, 0);
                if (breadthFirst) queue.Enqueue((next, history.Count - 1));
                else stack.Push((next, history.Count - 1));
            }

            if (unforced > 0 || !MustFinish) continue;
            ends++;
            if (Finishes(successors, promises, world) is { } stuck) return Result(successors, ends, true, stuck, at);
        }

        return Result(successors, ends, true, null, 0);
    }

    /// <summary>Many runs at random, each to its end: for bounds that are too wide to be gone through.</summary>
    internal Exploration Walk(int runs, int seed)
    {
        var successors = new Successors(scenario, machines);
        var promises = new Promises(scenario, machines);
        var random = new Random(seed);
        for (var run = 0; run < runs; run++)
        {
            history.Clear();
            history.Add((-1, 0));
            var world = successors.Initial();
            while (true)
            {
                var moves = successors.Of(world, withFaults: true).ToList();
                if (moves.Count == 0) break;
                // Faults are many and steps few: without a preference no walk would get far before its last fault.
                var calm = moves.FindAll(static move => !move.Fault);
                var chosen = calm.Count > 0 && random.Next(12) > 0 ? calm[random.Next(calm.Count)] : moves[random.Next(moves.Count)];
                history.Add((history.Count - 1, moves.IndexOf(chosen)));
                world = chosen.Next;
                seen.Add(world.Hash());
                if (promises.BrokenIn(world) is { } violation) return Result(successors, run, true, violation, history.Count - 1);
            }

            if (Finishes(successors, promises, world) is { } stuck) return Result(successors, run, true, stuck, history.Count - 1);
        }

        return Result(successors, runs, false, null, 0);
    }

    private string? Finishes(Successors successors, Promises promises, World end)
    {
        var path = new List<UInt128>();
        var world = end;
        var terms = world.Terms;
        while (true)
        {
            var hash = world.Hash();
            if (finishes.Contains(hash) || !world.Lives.Contains(Life.Live) || successors.Finished(world)) break;
            path.Add(hash);
            var next = successors.Of(world, withFaults: false).Select(static move => move.Next).FirstOrDefault();
            if (next is null && world.Terms < terms + 4) next = successors.NewTerm(world);
            if (next is null) return "the run cannot finish, though silos live and nothing more happens: " + successors.Describe(world);
            if (promises.BrokenIn(next) is { } violation) return violation + " (on the way from an end to the finish)";
            world = next;
        }

        finishes.UnionWith(path);
        return null;
    }

    private Exploration Result(Successors successors, int ends, bool whole, string? violation, int at) =>
        new(seen.Count, ends, machines.Driven, whole, violation, violation is null ? [] : Trace(successors, at));

    /// <summary>Goes the way again, by the numbers of its moves.</summary>
    private List<string> Trace(Successors successors, int at)
    {
        var moves = new Stack<int>();
        for (var i = at; i > 0; i = history[i].Parent) moves.Push(history[i].Move);
        var trace = new List<string>();
        var world = successors.Initial();
        foreach (var move in moves)
        {
            var chosen = successors.Of(world, withFaults: true).ElementAt(move);
            trace.Add(chosen.What());
            world = chosen.Next;
        }

        return trace;
    }
}
