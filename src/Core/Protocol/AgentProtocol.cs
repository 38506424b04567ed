namespace Peft.Orleans.Core.Protocol;

/// <summary>Where a silo stands in the protocol of one run.</summary>
public enum AgentPhase
{
    /// <summary>Knows nothing of the run.</summary>
    Empty,

    /// <summary>Refuses lower generations; waits for <c>Start</c>.</summary>
    Fenced,

    /// <summary>Has its seats, some still lack the target version.</summary>
    Seating,

    /// <summary>Every seat holds the target version; steps may run.</summary>
    Started,
}

/// <summary>What a silo must do; carried out by its agent, in order.</summary>
public abstract record AgentEffect
{
    /// <summary>Stop device work of lower generations and refuse their remote writes.</summary>
    public sealed record CancelWork(Generation Generation) : AgentEffect;

    /// <summary>Drop all leaves and tree nodes.</summary>
    public sealed record ClearGradients : AgentEffect;

    /// <summary>Drop a version of a layer.</summary>
    public sealed record DropVersion(int Layer, int Version) : AgentEffect;

    /// <summary>Load base weights for the seats and get version <paramref name="Version"/> for the listed layers.</summary>
    public sealed record TakeSeats(int[] Layers, int[] Missing, int Version) : AgentEffect;

    /// <summary>Take the optimizer step for the listed layers into the second buffer.</summary>
    public sealed record TakeStep(int[] Layers, int Version) : AgentEffect;
}

/// <summary>The answer to a message: obeyed with effects, or refused with the reason and the highest generation known.</summary>
public sealed record AgentDecision(bool Accepted, string Reason, IReadOnlyList<AgentEffect> Effects)
{
    /// <summary>Obeyed without effect.</summary>
    public static readonly AgentDecision Nothing = new(true, "", []);

    /// <summary>Obeyed.</summary>
    public static AgentDecision Do(params IReadOnlyList<AgentEffect> effects) => new(true, "", effects);

    /// <summary>Refused.</summary>
    public static AgentDecision Refuse(string reason) => new(false, reason, []);
}

/// <summary>
/// The silo's side of the step protocol for one run, as a pure state machine: messages in, decisions and effects out; no clock, no I/O.
/// The store behind it only carries out the effects and reports versions that have become complete.
/// </summary>
public sealed class AgentProtocol(string silo)
{
    private readonly SortedDictionary<int, SortedSet<int>> versions = [];
    private int prepared;

    /// <summary>Highest generation seen.</summary>
    public Generation Generation { get; private set; } = Generation.None;

    /// <summary>Phase.</summary>
    public AgentPhase Phase { get; private set; } = AgentPhase.Empty;

    /// <summary>Plan of the generation; null before the first <c>Start</c>.</summary>
    public SeatPlan? Plan { get; private set; }

    /// <summary>Version from which the generation started.</summary>
    public int Target { get; private set; }

    /// <summary>Complete versions by layer.</summary>
    public IReadOnlyDictionary<int, int[]> Inventory => versions.ToDictionary(static pair => pair.Key, static pair => pair.Value.ToArray());

    /// <summary><c>Fence(g)</c>: from now on lower generations are refused. A copy of the message that seated us changes nothing.</summary>
    public AgentDecision Fence(Generation generation)
    {
        if (generation == Generation) return AgentDecision.Nothing;
        if (!generation.Supersedes(Generation)) return RefuseGeneration(generation);
        Generation = generation;
        Phase = AgentPhase.Fenced;
        prepared = 0;
        return AgentDecision.Do(new AgentEffect.CancelWork(generation));
    }

    /// <summary><c>Start(g, plan, t)</c>: obeyed once, on leaving the fenced phase; later copies are only acknowledged.</summary>
    public AgentDecision Start(Generation generation, SeatPlan plan, int target)
    {
        if (generation != Generation || Phase == AgentPhase.Empty) return RefuseGeneration(generation);
        if (Phase != AgentPhase.Fenced) return AgentDecision.Nothing;
        var effects = new List<AgentEffect> { new AgentEffect.ClearGradients() };
        foreach (var (layer, held) in versions)
        {
            foreach (var version in held.Where(version => version > target).ToArray())
            {
                held.Remove(version);
                effects.Add(new AgentEffect.DropVersion(layer, version));
            }
        }

        Plan = plan;
        Target = target;
        var layers = plan.LayersOn(silo);
        var missing = layers.Where(layer => !Holds(layer, target)).ToArray();
        Phase = missing.Length == 0 ? AgentPhase.Started : AgentPhase.Seating;
        effects.Add(new AgentEffect.TakeSeats(layers, missing, target));
        return new AgentDecision(true, "", effects);
    }

    /// <summary>A version of a layer has become complete here (initialised, fetched, or the result of a step).</summary>
    public AgentDecision Held(Generation generation, int layer, int version)
    {
        if (generation != Generation) return RefuseGeneration(generation);
        if (!versions.TryGetValue(layer, out var held)) versions[layer] = held = [];
        held.Add(version);
        if (Phase == AgentPhase.Seating && Plan!.LayersOn(silo).All(seat => Holds(seat, Target))) Phase = AgentPhase.Started;
        return AgentDecision.Nothing;
    }

    /// <summary>Whether a layer may compute step <paramref name="step"/>: only from version step − 1, in the generation in force.</summary>
    public AgentDecision Compute(Generation generation, int step, int layer)
    {
        if (generation != Generation) return RefuseGeneration(generation);
        if (Phase != AgentPhase.Started) return AgentDecision.Refuse($"silo {silo} is {Phase}, not started, in generation {generation}");
        return Holds(layer, step - 1)
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
    }

    /// <summary>Whether the frozen base may be computed with, before version 0 exists: the gradient estimate of an initialisation.</summary>
    public AgentDecision ComputeBase(Generation generation)
    {
        if (generation != Generation) return RefuseGeneration(generation);
        return Phase is AgentPhase.Seating or AgentPhase.Started
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} is {Phase}, without seats, in generation {generation}");
    }

    /// <summary>Whether a gradient may become leaf (step, i): as <see cref="Compute"/>, and not after <c>Prepare</c>.</summary>
    public AgentDecision StoreLeaf(Generation generation, int step, int layer)
    {
        var decision = Compute(generation, step, layer);
        if (!decision.Accepted || step > prepared) return decision;
        return AgentDecision.Refuse($"step {step} is already prepared on silo {silo}");
    }

    /// <summary><c>Prepare(g, s)</c>: measures, changes nothing; gradients of s are closed.</summary>
    public AgentDecision Prepare(Generation generation, int step)
    {
        if (generation != Generation) return RefuseGeneration(generation);
        if (Phase != AgentPhase.Started) return AgentDecision.Refuse($"silo {silo} is {Phase}, not started, in generation {generation}");
        foreach (var layer in Plan!.ActiveLayersOn(silo))
        {
            if (!Holds(layer, step - 1)) return AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
        }

        prepared = Math.Max(prepared, step);
        return AgentDecision.Nothing;
    }

    /// <summary><c>Apply(g, s)</c>: s − 1 is stable everywhere, so versions below it go; active seats take the step, once.</summary>
    public AgentDecision Apply(Generation generation, int step)
    {
        if (generation != Generation) return RefuseGeneration(generation);
        if (Phase != AgentPhase.Started) return AgentDecision.Refuse($"silo {silo} is {Phase}, not started, in generation {generation}");
        var effects = new List<AgentEffect>();
        foreach (var (layer, held) in versions)
        {
            foreach (var version in held.Where(version => version < step - 1).ToArray())
            {
                held.Remove(version);
                effects.Add(new AgentEffect.DropVersion(layer, version));
            }
        }

        var layers = Plan!.ActiveLayersOn(silo);
        foreach (var layer in layers)
        {
            if (!Holds(layer, step) && !Holds(layer, step - 1))
                return AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
        }

        var todo = layers.Where(layer => !Holds(layer, step)).ToArray();
        if (todo.Length > 0) effects.Add(new AgentEffect.TakeStep(todo, step));
        return new AgentDecision(true, "", effects);
    }

    private bool Holds(int layer, int version) => versions.TryGetValue(layer, out var held) && held.Contains(version);

    private AgentDecision RefuseGeneration(Generation generation) =>
        AgentDecision.Refuse($"silo {silo} is in generation {Generation} and refuses {generation}");
}
