namespace Peft.Orleans.Core.Protocol;

/// <summary>
/// The silo's side of the step protocol for one run, as a pure state machine: messages in, decisions and effects out; no clock, no I/O.
/// The store behind it only carries out the effects and reports versions that have become complete.
/// </summary>
/// <remarks>The rules that safety rests on are virtual, each by itself, so that an exploration can show what happens without it.</remarks>
public class AgentProtocol(string silo)
{
    private readonly SortedDictionary<int, SortedSet<int>> versions = [];
    private int prepared;
    private int applied;

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
        if (!InForce(generation) || Phase == AgentPhase.Empty) return RefuseGeneration(generation);
        if (!ObeysStart) return AgentDecision.Nothing;
        var effects = new List<AgentEffect> { new AgentEffect.ClearGradients() };
        // That the target exists shows that the version before it was stable. A silo that has not heard of it may still hold older ones, and is to hold no third.
        effects.AddRange(Drop((_, version) => version > target || version < target - 1));
        Plan = plan;
        Target = applied = target;
        var missing = plan.LayersOn(silo).Where(layer => !Holds(layer, target)).ToArray();
        Phase = missing.Length == 0 ? AgentPhase.Started : AgentPhase.Seating;
        effects.Add(new AgentEffect.TakeSeats(plan.ActiveLayersOn(silo), missing, target));
        return new AgentDecision(true, "", effects);
    }

    /// <summary>
    /// A version of a layer has become complete here (initialised, fetched, or the result of a step). Only that of the last <c>Apply</c>, else
    /// the target, is kept: work that was let in and completes late must not add a third.
    /// </summary>
    public AgentDecision Held(Generation generation, int layer, int version)
    {
        if (!InForce(generation)) return RefuseGeneration(generation);
        if (!IsCurrent(version)) return AgentDecision.Refuse($"silo {silo} is at step {applied} and keeps no version {version}");
        if (!versions.TryGetValue(layer, out var held)) versions[layer] = held = [];
        held.Add(version);
        if (Phase == AgentPhase.Seating && Plan!.LayersOn(silo).All(seat => Holds(seat, Target))) Phase = AgentPhase.Started;
        return AgentDecision.Nothing;
    }

    /// <summary>Whether a layer may compute step <paramref name="step"/>: only from version step − 1, in the generation in force.</summary>
    public AgentDecision Compute(Generation generation, int step, int layer)
    {
        if (RefuseUnlessStarted(generation) is { } refused) return refused;
        return MayComputeFrom(layer, step - 1)
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
    }

    /// <summary>Whether the frozen base may be computed with, before version 0 exists: the gradient estimate of an initialisation.</summary>
    public AgentDecision ComputeBase(Generation generation)
    {
        if (!InForce(generation)) return RefuseGeneration(generation);
        return Phase is AgentPhase.Seating or AgentPhase.Started
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} is {Phase}, without seats, in generation {generation}");
    }

    /// <summary>Whether a gradient may become leaf (step, i) or node of the tree: as <see cref="Compute"/>, and not after <c>Prepare</c>.</summary>
    public AgentDecision StoreLeaf(Generation generation, int step, int layer)
    {
        var decision = Compute(generation, step, layer);
        if (!decision.Accepted || step > prepared) return decision;
        return AgentDecision.Refuse($"step {step} is already prepared on silo {silo}");
    }

    /// <summary><c>Prepare(g, s)</c>: measures, changes nothing; gradients of s are closed.</summary>
    public AgentDecision Prepare(Generation generation, int step)
    {
        if (RefuseUnlessStarted(generation) is { } refused) return refused;
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
        if (!InForce(generation)) return RefuseGeneration(generation);
        if (!(AppliesWithoutTarget && Phase == AgentPhase.Seating) && RefuseUnlessStarted(generation) is { } refused) return refused;
        if (step < applied) return AgentDecision.Refuse($"silo {silo} is at step {applied} and applies no step {step}");
        var layers = Plan!.ActiveLayersOn(silo);
        foreach (var layer in layers)
        {
            if (!Holds(layer, step) && !Holds(layer, step - 1))
                return AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
        }

        applied = Math.Max(applied, step);
        var effects = new List<AgentEffect>(Drop((_, version) => version < step - 1));
        var todo = layers.Where(layer => !Holds(layer, step)).ToArray();
        if (todo.Length > 0) effects.Add(new AgentEffect.TakeStep(todo, step));
        return new AgentDecision(true, "", effects);
    }

    /// <summary><c>Protect(g, s)</c>: the first seats send version s to the other seats that do not compute it themselves.</summary>
    public AgentDecision Protect(Generation generation, int version)
    {
        if (!InForce(generation)) return RefuseGeneration(generation);
        if (Phase is not (AgentPhase.Seating or AgentPhase.Started)) return AgentDecision.Refuse($"silo {silo} is {Phase}, without seats, in generation {generation}");
        var effects = new List<AgentEffect>();
        foreach (var layer in Plan!.FirstLayersOn(silo))
        {
            if (!Holds(layer, version)) return AgentDecision.Refuse($"silo {silo} does not hold version {version} of layer {layer}");
            var copies = Plan.CopiesOf(layer, version);
            if (copies.Length > 0) effects.Add(new AgentEffect.SendCopies(layer, version, copies));
        }

        return new AgentDecision(true, "", effects);
    }

    /// <summary>
    /// <c>Put</c>: whether a version sent by another seat may be taken. Only of a layer that sits here, and only the version of the last
    /// <c>Apply</c> (else the target): an old copy that comes late is refused, so that a seat never holds more than two.
    /// </summary>
    public AgentDecision Take(Generation generation, int layer, int version)
    {
        if (!InForce(generation)) return RefuseGeneration(generation);
        if (Phase is not (AgentPhase.Seating or AgentPhase.Started) || !Plan!.LayersOn(silo).Contains(layer))
            return AgentDecision.Refuse($"layer {layer} has no seat on silo {silo} in generation {generation}");
        return IsCurrent(version) ? AgentDecision.Nothing : AgentDecision.Refuse($"silo {silo} is at step {applied} and takes no version {version}");
    }

    /// <summary>Whether a <c>Start</c> of the generation in force is obeyed: once, on leaving the fenced phase.</summary>
    protected virtual bool ObeysStart => Phase == AgentPhase.Fenced;

    /// <summary>Whether a message's generation is the one in force.</summary>
    protected virtual bool InForce(Generation generation) => generation == Generation;

    /// <summary>Whether a version is the one that this silo's seats are to hold next: that of the last <c>Apply</c>, else the target.</summary>
    protected virtual bool IsCurrent(int version) => version == applied;

    /// <summary>Whether a step may be computed from a version: only if it is held.</summary>
    protected virtual bool MayComputeFrom(int layer, int version) => Holds(layer, version);

    /// <summary>Whether steps are applied before all seats hold the target: never.</summary>
    protected virtual bool AppliesWithoutTarget => false;

    /// <summary>Whether a version of a layer is complete here.</summary>
    public bool Holds(int layer, int version) => versions.TryGetValue(layer, out var held) && held.Contains(version);

    /// <summary>Forgets versions, chosen by layer and version, and tells which.</summary>
    protected IEnumerable<AgentEffect> Drop(Func<int, int, bool> which)
    {
        var effects = new List<AgentEffect>();
        foreach (var (layer, held) in versions)
        {
            foreach (var version in held.Where(version => which(layer, version)).ToArray())
            {
                held.Remove(version);
                effects.Add(new AgentEffect.DropVersion(layer, version));
            }
        }

        return effects;
    }

    private AgentDecision? RefuseUnlessStarted(Generation generation)
    {
        if (!InForce(generation)) return RefuseGeneration(generation);
        return Phase == AgentPhase.Started ? null : AgentDecision.Refuse($"silo {silo} is {Phase}, not started, in generation {generation}");
    }

    private AgentDecision RefuseGeneration(Generation generation) =>
        AgentDecision.Refuse($"silo {silo} is in generation {Generation} and refuses {generation}");
}
