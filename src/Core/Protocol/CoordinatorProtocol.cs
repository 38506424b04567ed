namespace Peft.Orleans.Core.Protocol;

/// <summary>What the coordinator must do; carried out by the run grain.</summary>
public abstract record CoordinatorEffect
{
    /// <summary>Send <c>Fence</c> to a silo's agent.</summary>
    public sealed record SendFence(string Silo) : CoordinatorEffect;

    /// <summary>All silos have answered: make the plan.</summary>
    public sealed record MakePlan : CoordinatorEffect;

    /// <summary>Send <c>Start</c> to a silo's agent.</summary>
    public sealed record SendStart(string Silo, int Target) : CoordinatorEffect;

    /// <summary>Compute version 0 where nobody holds it.</summary>
    public sealed record Initialize : CoordinatorEffect;

    /// <summary>Write the line of a step whose version is stable, unless it is written.</summary>
    public sealed record Report(int Step) : CoordinatorEffect;

    /// <summary>Forward and backward of all microbatches of a step.</summary>
    public sealed record ComputeGradients(int Step) : CoordinatorEffect;

    /// <summary>Send <c>Prepare</c> to a silo's agent.</summary>
    public sealed record SendPrepare(string Silo, int Step) : CoordinatorEffect;

    /// <summary>Send <c>Apply</c> to a silo's agent.</summary>
    public sealed record SendApply(string Silo, int Step) : CoordinatorEffect;

    /// <summary>The run has reached its end (or a stop) at a stable version.</summary>
    public sealed record Finish(int Step, bool Stopped) : CoordinatorEffect;
}

/// <summary>What a coordinator waits for.</summary>
public enum CoordinatorPhase
{
    /// <summary>Answers to <c>Fence</c>.</summary>
    Fencing,

    /// <summary>The plan.</summary>
    Planning,

    /// <summary>Answers to <c>Start</c>.</summary>
    Starting,

    /// <summary>Version 0.</summary>
    Initializing,

    /// <summary>The line of a stable step.</summary>
    Reporting,

    /// <summary>Gradients of a step.</summary>
    Computing,

    /// <summary>Answers to <c>Prepare</c>.</summary>
    Preparing,

    /// <summary>Answers to <c>Apply</c>.</summary>
    Applying,

    /// <summary>Nothing more.</summary>
    Finished,
}

/// <summary>
/// The coordinator's side of the step protocol within one generation, as a pure state machine. Any refusal, loss or membership change ends
/// the generation: the run grain then draws the next one and starts anew from the largest version that every layer has somewhere.
/// </summary>
public sealed class CoordinatorProtocol(int steps)
{
    private readonly HashSet<string> waiting = [];
    private readonly List<string> everyone = [];
    private readonly Dictionary<int, HashSet<int>> holdings = [];
    private bool stopAsked;

    /// <summary>Phase.</summary>
    public CoordinatorPhase Phase { get; private set; } = CoordinatorPhase.Finished;

    /// <summary>The stable version: every seat of the plan holds it.</summary>
    public int Stable { get; private set; } = -1;

    /// <summary>Whether a step or the run is under way.</summary>
    public bool Active => Phase != CoordinatorPhase.Finished;

    /// <summary>Opens the generation: fences every live silo.</summary>
    public IReadOnlyList<CoordinatorEffect> Begin(IReadOnlyCollection<string> silos)
    {
        everyone.Clear();
        everyone.AddRange(silos.Order(StringComparer.Ordinal));
        holdings.Clear();
        Stable = -1;
        return Ask(CoordinatorPhase.Fencing, silo => new CoordinatorEffect.SendFence(silo));
    }

    /// <summary>A silo has answered <c>Fence</c> with the versions it holds.</summary>
    public IReadOnlyList<CoordinatorEffect> Fenced(string silo, IReadOnlyDictionary<int, int[]> inventory)
    {
        if (Phase != CoordinatorPhase.Fencing || !waiting.Remove(silo)) return [];
        foreach (var (layer, versions) in inventory) Hold(layer, versions);
        return PlanWhenAllAnswered();
    }

    /// <summary>A silo that did not answer is dead now (killed where necessary): it does not count.</summary>
    public IReadOnlyList<CoordinatorEffect> Lost(string silo)
    {
        if (Phase != CoordinatorPhase.Fencing || !waiting.Remove(silo)) return [];
        everyone.Remove(silo);
        return PlanWhenAllAnswered();
    }

    /// <summary>
    /// The plan is made: start from the largest version that every layer has on a silo or in a valid snapshot; version 0 can always be computed.
    /// </summary>
    public IReadOnlyList<CoordinatorEffect> Planned(SeatPlan plan, IReadOnlyCollection<int> snapshots)
    {
        if (Phase != CoordinatorPhase.Planning) return [];
        var candidates = new SortedSet<int>(snapshots) { 0 };
        if (holdings.Count > 0) candidates.UnionWith(holdings.Values.SelectMany(static versions => versions));
        Stable = candidates.Reverse().First(version =>
            version == 0 || snapshots.Contains(version)
            || Enumerable.Range(0, plan.Layers).All(layer => holdings.TryGetValue(layer, out var held) && held.Contains(version)));
        return Ask(CoordinatorPhase.Starting, silo => new CoordinatorEffect.SendStart(silo, Stable));
    }

    /// <summary>A silo has obeyed <c>Start</c>; <paramref name="lacksVersion"/>: it waits for version 0 to be computed.</summary>
    public IReadOnlyList<CoordinatorEffect> Started(string silo, bool lacksVersion)
    {
        if (Phase != CoordinatorPhase.Starting || !waiting.Remove(silo)) return [];
        needsVersionZero |= lacksVersion;
        if (waiting.Count > 0) return [];
        if (needsVersionZero)
        {
            needsVersionZero = false;
            Phase = CoordinatorPhase.Initializing;
            return [new CoordinatorEffect.Initialize()];
        }

        return ReportStable();
    }

    /// <summary>Every seat holds version 0.</summary>
    public IReadOnlyList<CoordinatorEffect> Initialized() => Phase == CoordinatorPhase.Initializing ? ReportStable() : [];

    /// <summary>The line of the stable step is on disk: only now may the next step be applied, and the next is begun.</summary>
    public IReadOnlyList<CoordinatorEffect> Reported(int step)
    {
        if (Phase != CoordinatorPhase.Reporting || step != Stable) return [];
        if (Stable >= steps || stopAsked)
        {
            Phase = CoordinatorPhase.Finished;
            return [new CoordinatorEffect.Finish(Stable, Stable < steps)];
        }

        Phase = CoordinatorPhase.Computing;
        return [new CoordinatorEffect.ComputeGradients(Stable + 1)];
    }

    /// <summary>All microbatches of the step have gone through, forward and backward.</summary>
    public IReadOnlyList<CoordinatorEffect> GradientsComputed(int step)
    {
        if (Phase != CoordinatorPhase.Computing || step != Stable + 1) return [];
        return Ask(CoordinatorPhase.Preparing, silo => new CoordinatorEffect.SendPrepare(silo, step));
    }

    /// <summary>A silo has answered <c>Prepare</c>.</summary>
    public IReadOnlyList<CoordinatorEffect> Prepared(string silo, int step)
    {
        if (Phase != CoordinatorPhase.Preparing || step != Stable + 1 || !waiting.Remove(silo) || waiting.Count > 0) return [];
        return Ask(CoordinatorPhase.Applying, name => new CoordinatorEffect.SendApply(name, step));
    }

    /// <summary>All seats of a silo hold the step's version; with the last one it is stable, and committed.</summary>
    public IReadOnlyList<CoordinatorEffect> Applied(string silo, int step)
    {
        if (Phase != CoordinatorPhase.Applying || step != Stable + 1 || !waiting.Remove(silo) || waiting.Count > 0) return [];
        Stable = step;
        return ReportStable();
    }

    /// <summary>Finish at the next stable version.</summary>
    public void AskStop() => stopAsked = true;

    private bool needsVersionZero;

    private IReadOnlyList<CoordinatorEffect> ReportStable()
    {
        Phase = CoordinatorPhase.Reporting;
        return [new CoordinatorEffect.Report(Stable)];
    }

    private IReadOnlyList<CoordinatorEffect> PlanWhenAllAnswered()
    {
        if (waiting.Count > 0) return [];
        Phase = CoordinatorPhase.Planning;
        return [new CoordinatorEffect.MakePlan()];
    }

    private CoordinatorEffect[] Ask(CoordinatorPhase phase, Func<string, CoordinatorEffect> message)
    {
        Phase = phase;
        waiting.Clear();
        waiting.UnionWith(everyone);
        return [.. everyone.Select(message)];
    }

    private void Hold(int layer, int[] versions)
    {
        if (!holdings.TryGetValue(layer, out var held)) holdings[layer] = held = [];
        held.UnionWith(versions);
    }
}
