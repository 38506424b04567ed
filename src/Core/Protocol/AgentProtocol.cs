namespace Peft.Orleans.Core.Protocol;

/// <summary>
/// The silo's side of the step protocol for one run, as a pure state machine: messages in, decisions and effects out; no clock, no I/O.
/// The store behind it only carries out the effects and reports versions that have become complete.
/// </summary>
/// <remarks>The rules that safety rests on are virtual, each by itself, so that an exploration can show what happens without it.</remarks>
public class AgentProtocol(string silo)
{
    private readonly SortedDictionary<int, SortedDictionary<int, string>> versions = [];
    private int prepared;
    private int applied;

    /// <summary>Highest term seen.</summary>
    public Term Term { get; private set; } = Term.None;

    /// <summary>Phase.</summary>
    public AgentPhase Phase { get; private set; } = AgentPhase.Empty;

    /// <summary>Plan of the term; null before the first <c>Start</c>.</summary>
    public SeatPlan? Plan { get; private set; }

    /// <summary>Version from which the term started.</summary>
    public int Target { get; private set; }

    /// <summary>Complete versions by layer.</summary>
    public IReadOnlyDictionary<int, int[]> Inventory =>
        versions.ToDictionary(static pair => pair.Key, static pair => pair.Value.Keys.ToArray());

    /// <summary>What this silo says the bytes of versions are that it has computed itself, and other replicas too.</summary>
    public IReadOnlyList<VersionClaim> Claims =>
    [
        .. versions.SelectMany(static layer => layer.Value
            .Where(static version => version.Value.Length > 0)
            .Select(version => new VersionClaim(layer.Key, version.Key, version.Value))),
    ];

    /// <summary><c>Fence(term)</c>: from now on lower terms are refused. A copy of the message that seated us changes nothing.</summary>
    public AgentDecision Fence(Term term)
    {
        if (term == Term) return AgentDecision.Nothing;
        if (!term.Supersedes(Term)) return RefuseTerm(term);
        Term = term;
        Phase = AgentPhase.Fenced;
        prepared = 0;
        return AgentDecision.Do(new AgentEffect.CancelWork(term));
    }

    /// <summary><c>Start(term, plan, t)</c>: obeyed once, on leaving the fenced phase; later copies are only acknowledged.</summary>
    public AgentDecision Start(Term term, SeatPlan plan, int target)
    {
        if (!InForce(term) || Phase == AgentPhase.Empty) return RefuseTerm(term);
        if (!ObeysStart) return AgentDecision.Nothing;
        var effects = new List<AgentEffect> { new AgentEffect.ClearGradients() };
        // That the target exists shows that the version before it was stable. A silo that has not heard of it may still hold older ones,
        // and is to hold no third.
        effects.AddRange(Drop((_, version) => version > target || version < target - 1));
        Plan = plan;
        Target = applied = target;
        var missing = plan.LayersOn(silo).Where(layer => !Holds(layer, target)).ToArray();
        Phase = missing.Length == 0 ? AgentPhase.Started : AgentPhase.Seating;
        effects.Add(new AgentEffect.TakeSeats(plan.ActiveLayersOn(silo), missing, target));
        return new AgentDecision(true, "", effects);
    }

    /// <summary>
    /// A version of a layer has become complete here (initialised, fetched, or the result of a step). Only that of the last <c>Apply</c>,
    /// else the target, is kept: work that was let in and completes late must not add a third.
    /// </summary>
    /// <param name="term">Term of the work.</param>
    /// <param name="layer">Layer.</param>
    /// <param name="version">Version.</param>
    /// <param name="hash">Hash of its bytes, where it was computed here and other replicas compute it too; else empty.</param>
    public AgentDecision Held(Term term, int layer, int version, string hash = "")
    {
        if (!InForce(term)) return RefuseTerm(term);
        if (!IsCurrent(version)) return AgentDecision.Refuse($"silo {silo} is at step {applied} and keeps no version {version}");
        if (!versions.TryGetValue(layer, out var held)) versions[layer] = held = [];
        held[version] = hash;
        if (Phase == AgentPhase.Seating && Plan!.LayersOn(silo).All(seat => Holds(seat, Target))) Phase = AgentPhase.Started;
        return AgentDecision.Nothing;
    }

    /// <summary>Whether a layer may compute step <paramref name="step"/>: only from version step − 1, in the term in force.</summary>
    public AgentDecision Compute(Term term, int step, int layer)
    {
        if (RefuseUnlessStarted(term) is { } refused) return refused;
        return MayComputeFrom(layer, step - 1)
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
    }

    /// <summary>
    /// Whether the frozen base may be computed with, before version 0 exists: the gradient estimate of an initialisation.
    /// </summary>
    public AgentDecision ComputeBase(Term term)
    {
        if (!InForce(term)) return RefuseTerm(term);
        return Phase is AgentPhase.Seating or AgentPhase.Started
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} is {Phase}, without seats, in term {term}");
    }

    /// <summary>
    /// Whether a gradient may become leaf (step, i) or node of the tree: as <see cref="Compute"/>, and not after <c>Prepare</c>.
    /// </summary>
    public AgentDecision StoreLeaf(Term term, int step, int layer)
    {
        var decision = Compute(term, step, layer);
        if (!decision.Accepted || step > prepared) return decision;
        return AgentDecision.Refuse($"step {step} is already prepared on silo {silo}");
    }

    /// <summary><c>Prepare(term, s)</c>: measures, changes nothing; gradients of s are closed.</summary>
    public AgentDecision Prepare(Term term, int step)
    {
        if (RefuseUnlessStarted(term) is { } refused) return refused;
        foreach (var layer in Plan!.ActiveLayersOn(silo))
        {
            if (!Holds(layer, step - 1)) return AgentDecision.Refuse($"silo {silo} does not hold version {step - 1} of layer {layer}");
        }

        prepared = Math.Max(prepared, step);
        return AgentDecision.Nothing;
    }

    /// <summary><c>Apply(term, s)</c>: s − 1 is stable everywhere, so versions below it go; active seats take the step, once.</summary>
    public AgentDecision Apply(Term term, int step)
    {
        if (!InForce(term)) return RefuseTerm(term);
        if (!(AppliesWithoutTarget && Phase == AgentPhase.Seating) && RefuseUnlessStarted(term) is { } refused) return refused;
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

    /// <summary><c>Protect(term, s)</c>: the first seats send version s to the other seats that do not compute it themselves.</summary>
    public AgentDecision Protect(Term term, int version)
    {
        if (!InForce(term))
            return RefuseTerm(term);
        if (Phase is not (AgentPhase.Seating or AgentPhase.Started))
            return AgentDecision.Refuse($"silo {silo} is {Phase}, without seats, in term {term}");
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
    public AgentDecision Take(Term term, int layer, int version)
    {
        if (!InForce(term)) return RefuseTerm(term);
        if (Phase is not (AgentPhase.Seating or AgentPhase.Started) || !Plan!.LayersOn(silo).Contains(layer))
            return AgentDecision.Refuse($"layer {layer} has no seat on silo {silo} in term {term}");
        return IsCurrent(version)
            ? AgentDecision.Nothing
            : AgentDecision.Refuse($"silo {silo} is at step {applied} and takes no version {version}");
    }

    /// <summary>Whether a <c>Start</c> of the term in force is obeyed: once, on leaving the fenced phase.</summary>
    protected virtual bool ObeysStart => Phase == AgentPhase.Fenced;

    /// <summary>Whether a message's term is the one in force.</summary>
    protected virtual bool InForce(Term term) => term == Term;

    /// <summary>
    /// Whether a version is the one that this silo's seats are to hold next: that of the last <c>Apply</c>, else the target.
    /// </summary>
    protected virtual bool IsCurrent(int version) => version == applied;

    /// <summary>Whether a step may be computed from a version: only if it is held.</summary>
    protected virtual bool MayComputeFrom(int layer, int version) => Holds(layer, version);

    /// <summary>Whether steps are applied before all seats hold the target: never.</summary>
    protected virtual bool AppliesWithoutTarget => false;

    /// <summary>Whether a version of a layer is complete here.</summary>
    public bool Holds(int layer, int version) => versions.TryGetValue(layer, out var held) && held.ContainsKey(version);

    /// <summary>Forgets versions, chosen by layer and version, and tells which.</summary>
    protected IEnumerable<AgentEffect> Drop(Func<int, int, bool> which)
    {
        var effects = new List<AgentEffect>();
        foreach (var (layer, held) in versions)
        {
            foreach (var version in held.Keys.Where(version => which(layer, version)).ToArray())
            {
                held.Remove(version);
                effects.Add(new AgentEffect.DropVersion(layer, version));
            }
        }

        return effects;
    }

    private AgentDecision? RefuseUnlessStarted(Term term)
    {
        if (!InForce(term)) return RefuseTerm(term);
        return Phase == AgentPhase.Started ? null : AgentDecision.Refuse($"silo {silo} is {Phase}, not started, in term {term}");
    }

    private AgentDecision RefuseTerm(Term term) =>
        AgentDecision.Refuse($"silo {silo} is in term {Term} and refuses {term}");
}
