using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>
/// Local states by number, and what a message does to one: the real state machines are driven once for every pair of local state and
/// message that occurs, on a copy; after that the pair is looked up.
/// </summary>
internal sealed class Machines
{
    private readonly Vocabulary words = new();
    private readonly SiloModel silos;
    private readonly CoordinatorModel coordinators;
    private readonly Scenario scenario;
    private readonly Dictionary<string, int> numbers = new(StringComparer.Ordinal);
    private readonly List<object?> states = [null];
    private readonly List<string?> faults = [null];
    private readonly List<int> held = [0];
    private readonly Dictionary<int, int[]> seats = [];
    private readonly Dictionary<(int State, int Event), Outcome> outcomes = [];
    private readonly Dictionary<(int Layer, int Step), int> pure = [];
    private readonly Dictionary<int, int> pureRecords = [];

    internal Machines(Scenario scenario)
    {
        this.scenario = scenario;
        silos = new SiloModel(scenario, words);
        coordinators = new CoordinatorModel(scenario, words);
        ComputePure();
    }

    internal readonly record struct Outcome(int State, int[] Sent, bool Accepted);

    internal Vocabulary Words => words;

    internal int Driven => outcomes.Count;

    internal SiloState Silo(int number) => (SiloState)states[number]!;

    internal CoordinatorState Coordinator(int number) => (CoordinatorState)states[number]!;

    /// <summary>What is wrong with a silo's state by itself; null: nothing.</summary>
    internal string? FaultOf(int silo) => faults[silo];

    /// <summary>Bits of the layers of which a silo's state holds a version.</summary>
    internal int LayersHeld(int silo, int version)
    {
        var layers = 0;
        for (var layer = 0; layer < Scenario.Layers; layer++) layers |= ((held[silo] >> ((layer * 8) + version)) & 1) << layer;
        return layers;
    }

    /// <summary>Bits of the processes on which each layer of a plan has seats.</summary>
    internal int[] Seats(int plan)
    {
        if (seats.TryGetValue(plan, out var known)) return known;
        var made = words.PlanOf(plan);
        return seats[plan] = [.. Enumerable.Range(0, Scenario.Layers).Select(layer =>
            made.Seats.Where(seat => seat.Layer == layer).Aggregate(0, (bits, seat) => bits | (1 << Processes.Of(made.Silo(seat.Silo)))))];
    }

    /// <summary>Whether a plan names a silo twice: then nobody could tell which is meant.</summary>
    internal bool HasOneNameTwice(int plan) =>
        words.PlanOf(plan).Silos is var named && named.DistinctBy(static silo => silo.Name).Count() < named.Length;

    /// <summary>Whether the last term has brought the run to its last step.</summary>
    internal bool IsFinished(World world) =>
        world.Coordinators[^1] is not 0 and var last && Coordinator(last).Finished is { Asked: EndRequest.None };

    /// <summary>Whether the run was stopped because nobody could tell which silo is wrong.</summary>
    internal bool IsStopped(World world) => world.Coordinators[^1] is not 0 and var last && Coordinator(last).Stopped;

    /// <summary>Whether a silo holds another value of a version than it has, up to a version.</summary>
    internal bool HoldsWrong(int silo, int upTo) => Silo(silo).Values.Any(held => held.Key.Version <= upTo && pure[held.Key] != held.Value);

    internal int PureRecord(int step) => pureRecords[step];

    internal int NewSilo(int process)
    {
        var name = Processes.Silo(process);
        return Intern(new SiloState(scenario.Agent(name)) { Self = name });
    }

    internal Outcome Deliver(int silo, int message) => Remember((silo, message), () =>
    {
        var state = Silo(silo).Copy();
        var sent = new List<Message>();
        var accepted = silos.Receive(state, words.Message(message), sent);
        return (state, sent, accepted);
    });

    /// <summary>A message is handed over, and a bit flips in what it makes the silo compute.</summary>
    internal Outcome DeliverFlipped(int silo, int message) => Remember((silo, message | (1 << 27)), () =>
    {
        var state = Silo(silo).Copy();
        var sent = new List<Message>();
        state.Flips = true;
        var accepted = silos.Receive(state, words.Message(message), sent);
        state.Flips = scenario.FlipsStay;
        return (state, sent, accepted);
    });

    internal Outcome LetIn(int silo, int message) => Remember((silo, message | (1 << 28)), () =>
    {
        var state = Silo(silo).Copy();
        var put = words.Message(message);
        return (state, [], SiloModel.LetIn(state, put, message, words.Pairs(put.Word).Select(static pair => pair.Key)));
    });

    internal Outcome Complete(int silo, int message) => Remember((silo, message | (1 << 29)), () =>
    {
        var state = Silo(silo).Copy();
        var sent = new List<Message>();
        state.LetIn.Remove(message);
        var accepted = silos.Complete(state, words.Message(message), sent);
        return (state, sent, accepted);
    });

    internal Outcome Answer(int coordinator, int message) =>
        Remember((coordinator, message), () =>
            Change(coordinator, (state, sent) => coordinators.Receive(state, words.Message(message), sent))
        );

    internal Outcome Lost(int coordinator, int process) =>
        Remember((coordinator, -10 - process), () => Change(coordinator, (state, sent) => coordinators.Lost(state, process, sent)));

    internal Outcome Plan(int coordinator, int lines) => Remember((coordinator, -50 - lines), () => Change(coordinator, (state, sent) =>
    {
        state.Opened = true;
        coordinators.MakePlan(state, lines, sent);
    }));

    internal Outcome Written(int coordinator) => Remember((coordinator, -2), () => Change(coordinator, coordinators.Written));

    internal Outcome AskEnd(int coordinator) =>
        Remember((coordinator, -3), () => Change(coordinator, (state, _) => coordinators.AskEnd(state)));

    internal Outcome End(int coordinator) =>
        Remember((coordinator, -4), () => Change(coordinator, static (state, _) => state.Ended = true));

    /// <summary>A silo's state under another number for its term.</summary>
    internal int RenumberedSilo(int silo, int term) => Remember((silo, -100 - term), () =>
        (Silo(silo).Renumbered(term, number => Renumbered(number, term)), [], true)).State;

    internal int RenumberedCoordinator(int coordinator, int term) => Remember((coordinator, -100 - term), () =>
        (Coordinator(coordinator).Copy(term), [], true)).State;

    internal int Renumbered(int message, int term) => words.Number(words.Message(message) with { Term = term });

    internal Outcome Begin(int term, int[] roster)
    {
        var sent = new List<Message>();
        var state = coordinators.Begin(term, roster, sent);
        state.Opened = !scenario.OpensAfterFences;
        return new Outcome(Intern(state), Numbers(sent), true);
    }

    private Outcome Remember((int, int) key, Func<(object State, List<Message> Sent, bool Accepted)> drive)
    {
        if (outcomes.TryGetValue(key, out var known)) return known;
        var (state, sent, accepted) = drive();
        return outcomes[key] = new Outcome(Intern(state), Numbers(sent), accepted);
    }

    private (object, List<Message>, bool) Change(int coordinator, Action<CoordinatorState, List<Message>> change)
    {
        var state = Coordinator(coordinator).Copy();
        var sent = new List<Message>();
        change(state, sent);
        return (state, sent, true);
    }

    private int[] Numbers(List<Message> sent) => [.. sent.Select(words.Number).Distinct()];

    private int Intern(object state)
    {
        var text = state switch
        {
            SiloState holder => "s" + holder.Self + holder.Text(),
            CoordinatorState coordinator => "c" + coordinator.Text(),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        if (numbers.TryGetValue(text, out var number)) return number;
        numbers[text] = number = states.Count;
        states.Add(state);
        var silo = state as SiloState;
        faults.Add(silo is null ? null : Fault(silo));
        held.Add(
            silo is null
                ? 0
                : silo.Agent.Inventory.Aggregate(0, (bits, layer) =>
                    layer.Value.Where(version => silo.Values.GetValueOrDefault((layer.Key, version)) == pure[(layer.Key, version)])
                        .Aggregate(bits, (all, version) => all | (1 << ((layer.Key * 8) + version)))
                )
        );
        return number;
    }

    private string? Fault(SiloState state)
    {
        foreach (var ((layer, version), value) in state.Values)
        {
            if (scenario.Flips == 0 && pure[(layer, version)] != value)
                return $"silo {state.Self} holds another value of version {version} of layer {layer}";
            if (!state.Agent.Holds(layer, version))
                return $"silo {state.Self} stores version {version} of layer {layer}, which its protocol does not hold";
        }

        foreach (var (layer, versions) in state.Agent.Inventory)
        {
            if (versions.Length > 2)
                return $"silo {state.Self} holds versions {string.Join(", ", versions)} of layer {layer}";
            if (versions.Any(version => !state.Values.ContainsKey((layer, version))))
                return $"silo {state.Self} claims a version of layer {layer} that it does not store";
        }

        return null;
    }

    /// <summary>What every version and record must be: the steps taken in order, alone.</summary>
    private void ComputePure()
    {
        for (var layer = 0; layer < Scenario.Layers; layer++) pure[(layer, 0)] = words.InitialValue(layer);
        for (var step = 1; step <= scenario.Steps; step++)
        {
            var passes = Enumerable
                .Range(0, Scenario.Microbatches)
                .ToDictionary(static i => i, i => words.Leaf(1, words.Act(step, i, pure[(0, step - 1)]), pure[(1, step - 1)]));
            var roots = new SortedDictionary<int, int>
            {
                [0] = words.Root(0, passes.Values.Select(pass => words.Leaf(0, pass, pure[(0, step - 1)]))),
                [1] = words.Root(1, passes.Values),
            };
            var clip = words.Clip(step, roots);
            pureRecords[step] = words.Record(step, passes);
            for (var layer = 0; layer < Scenario.Layers; layer++)
                pure[(layer, step)] = words.NextValue(layer, step, pure[(layer, step - 1)], roots[layer], clip);
        }
    }
}
