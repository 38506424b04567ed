namespace Peft.Orleans.Core.Protocol;

/// <summary>
/// The coordinator's side of the step protocol within one term, as a pure state machine. Any refusal or loss ends the term: the
/// run grain then draws the next one and starts anew from the largest version that every layer has somewhere.
/// </summary>
/// <remarks>
/// Two things go on at a time: the copies of version s travel to the passive seats while gradients of step s + 1 are computed from it. Only
/// <c>Apply(s + 1)</c> waits until s is stable and its line is written.
/// </remarks>
public class CoordinatorProtocol(int steps)
{
    private readonly HashSet<string> waiting = [];
    private readonly HashSet<string> protecting = [];
    private readonly List<string> everyone = [];
    private readonly Dictionary<int, HashSet<int>> holdings = [];
    private readonly Dictionary<(int Layer, int Version), string> claims = [];
    private readonly HashSet<int> disputed = [];
    private readonly HashSet<(int Layer, int Version)> uncompared = [];
    private SeatPlan plan = null!;
    private EndRequest asked;
    private int applied;
    private int reported;
    private bool needsVersionZero;

    /// <summary>Phase.</summary>
    public CoordinatorPhase Phase { get; private set; } = CoordinatorPhase.Finished;

    /// <summary>The stable version: every seat of the plan holds it.</summary>
    public int Stable { get; private set; } = -1;

    /// <summary>Whether a step or the run is under way.</summary>
    public bool Active => Phase != CoordinatorPhase.Finished;

    /// <summary>Opens the term: fences every live silo.</summary>
    public IReadOnlyList<CoordinatorEffect> Begin(IReadOnlyCollection<string> silos)
    {
        everyone.Clear();
        everyone.AddRange(silos.Order(StringComparer.Ordinal));
        holdings.Clear();
        claims.Clear();
        disputed.Clear();
        uncompared.Clear();
        protecting.Clear();
        needsVersionZero = false;
        Stable = reported = applied = -1;
        return Ask(CoordinatorPhase.Fencing, everyone, silo => new CoordinatorEffect.SendFence(silo));
    }

    /// <summary>A silo has answered <c>Fence</c> with the versions it holds, and what it says their bytes are.</summary>
    public IReadOnlyList<CoordinatorEffect> Fenced(
        string silo, IReadOnlyDictionary<int, int[]> inventory, IReadOnlyList<VersionClaim>? said = null)
    {
        if (Phase != CoordinatorPhase.Fencing || !waiting.Remove(silo)) return [];
        foreach (var (layer, versions) in inventory)
        {
            if (!holdings.TryGetValue(layer, out var held)) holdings[layer] = held = [];
            held.UnionWith(versions);
        }

        foreach (var claim in said ?? [])
        {
            var of = (claim.Layer, claim.Version);
            if (claims.TryAdd(of, claim.Hash))
            {
                uncompared.Add(of);
                continue;
            }

            uncompared.Remove(of);
            if (claims[of] != claim.Hash) disputed.Add(claim.Version);
        }

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
    /// The plan is made: start from the largest version that every layer has on a silo or in a valid snapshot; version 0 can always be
    /// computed. What several silos have computed with different bytes is nobody's, and what only one of several has computed was not
    /// compared, unless it was reported: such a step is made again.
    /// </summary>
    /// <param name="made">The plan.</param>
    /// <param name="snapshots">Steps of valid snapshots.</param>
    /// <param name="lastLine">Last step whose line was written before.</param>
    public IReadOnlyList<CoordinatorEffect> Planned(SeatPlan made, IReadOnlyCollection<int> snapshots, int lastLine = 0)
    {
        if (Phase != CoordinatorPhase.Planning) return [];
        plan = made;
        var candidates = new SortedSet<int>(snapshots) { 0 };
        candidates.UnionWith(holdings.Values.SelectMany(static versions => versions));
        Stable = candidates.Reverse().First(version =>
            version == 0 || snapshots.Contains(version) || (IsComplete(version) && MayStartFrom(version, lastLine)));
        applied = Stable;
        return Ask(CoordinatorPhase.Starting, everyone, silo => new CoordinatorEffect.SendStart(silo, Stable));
    }

    /// <summary>A silo has obeyed <c>Start</c>; <paramref name="lacksVersion"/>: it waits for version 0 to be computed.</summary>
    public IReadOnlyList<CoordinatorEffect> Started(string silo, bool lacksVersion)
    {
        if (Phase != CoordinatorPhase.Starting || !waiting.Remove(silo)) return [];
        needsVersionZero |= lacksVersion;
        if (waiting.Count > 0 && WaitsForAllSeats) return [];
        if (!needsVersionZero) return ReportStable();
        needsVersionZero = false;
        Phase = CoordinatorPhase.Initializing;
        return [new CoordinatorEffect.Initialize()];
    }

    /// <summary>Every first seat holds version 0.</summary>
    public IReadOnlyList<CoordinatorEffect> Initialized() =>
        Phase == CoordinatorPhase.Initializing ? ProtectOrReport(CoordinatorPhase.Reporting) : [];

    /// <summary>The copies of a silo's first seats have arrived. With the last one the version is stable: committed.</summary>
    public IReadOnlyList<CoordinatorEffect> Protected(string silo, int version)
    {
        if (version != applied || !protecting.Remove(silo) || protecting.Count > 0 || ReportsBeforeStable) return [];
        Stable = version;
        return [new CoordinatorEffect.Report(version)];
    }

    /// <summary>The line of the stable step is on disk: only now may the next step be applied.</summary>
    public IReadOnlyList<CoordinatorEffect> Reported(int step)
    {
        if (!Active || step != Stable || step <= reported) return [];
        reported = step;
        return Phase switch
        {
            CoordinatorPhase.Reporting => Next(),
            CoordinatorPhase.Holding => asked == EndRequest.None ? SendApply() : Next(),
            _ => [],
        };
    }

    /// <summary>All microbatches of the step have gone through, forward and backward.</summary>
    public IReadOnlyList<CoordinatorEffect> GradientsComputed(int step)
    {
        if (Phase != CoordinatorPhase.Computing || step != applied + 1) return [];
        if (asked != EndRequest.None && reported == applied) return Next();
        return plan.Replicas == 1
            ? SendPrepare()
            : Ask(CoordinatorPhase.Reducing, FirstSilos, silo => new CoordinatorEffect.SendReduce(silo, step));
    }

    /// <summary>The first seats of a silo have the whole sum, and so have the other replicas.</summary>
    public IReadOnlyList<CoordinatorEffect> Reduced(string silo, int step) =>
        Phase == CoordinatorPhase.Reducing && step == applied + 1 && waiting.Remove(silo) && waiting.Count == 0 ? SendPrepare() : [];

    /// <summary>A silo has answered <c>Prepare</c>.</summary>
    public IReadOnlyList<CoordinatorEffect> Prepared(string silo, int step)
    {
        if (Phase != CoordinatorPhase.Preparing || step != applied + 1 || !waiting.Remove(silo) || waiting.Count > 0) return [];
        if (reported == applied) return SendApply();
        Phase = CoordinatorPhase.Holding;
        return [];
    }

    /// <summary>
    /// All active seats of a silo hold the step's version. With the last one the copies are sent, and the next step's forward pass begins.
    /// </summary>
    public IReadOnlyList<CoordinatorEffect> Applied(string silo, int step)
    {
        if (
            Phase != CoordinatorPhase.Applying
            || step != applied + 1
            || !waiting.Remove(silo)
            || (waiting.Count > 0 && WaitsForAllApplied)
        )
            return [];
        applied = step;
        var early = applied < steps && asked == EndRequest.None;
        var effects = ProtectOrReport(early ? CoordinatorPhase.Computing : CoordinatorPhase.Reporting);
        return early ? [.. effects, new CoordinatorEffect.ComputeGradients(applied + 1)] : effects;
    }

    /// <summary>End at the next reported version.</summary>
    public void AskEnd(EndRequest request)
    {
        if (request > asked) asked = request;
    }

    /// <summary>Whether steps begin only when every seat holds the target: always.</summary>
    protected virtual bool WaitsForAllSeats => true;

    /// <summary>Whether a term may begin with a version in whose bytes silos differ: never.</summary>
    protected virtual bool StartsFromDisputed => false;

    /// <summary>Whether a term may begin with a version that was to be compared, and was not: never.</summary>
    protected virtual bool StartsFromUncompared => false;

    /// <summary>Whether gradients of the next step are asked for only when every silo has applied this one: always.</summary>
    protected virtual bool WaitsForAllApplied => true;

    /// <summary>Whether a step is reported before its copies have arrived: never.</summary>
    protected virtual bool ReportsBeforeStable => false;

    private bool MayStartFrom(int version, int lastLine) =>
        (StartsFromDisputed || !disputed.Contains(version))
        && (StartsFromUncompared || version <= lastLine || !uncompared.Any(claim => claim.Version == version));

    private bool IsComplete(int version) =>
        Enumerable.Range(0, plan.Layers).All(layer => holdings.TryGetValue(layer, out var held) && held.Contains(version));

    private IReadOnlyCollection<string> FirstSilos => [.. everyone.Where(silo => plan.FirstLayersOn(silo).Length > 0)];

    private IReadOnlyList<CoordinatorEffect> Next()
    {
        if (applied >= steps || asked != EndRequest.None)
        {
            Phase = CoordinatorPhase.Finished;
            return [new CoordinatorEffect.Finish(applied, applied >= steps ? EndRequest.None : asked)];
        }

        Phase = CoordinatorPhase.Computing;
        return [new CoordinatorEffect.ComputeGradients(applied + 1)];
    }

    private IReadOnlyList<CoordinatorEffect> ProtectOrReport(CoordinatorPhase next)
    {
        Phase = next;
        if (!plan.HasCopies(applied)) return ReportApplied();
        protecting.UnionWith(FirstSilos);
        var sends = FirstSilos.Select(silo => (CoordinatorEffect)new CoordinatorEffect.SendProtect(silo, applied));
        return ReportsBeforeStable ? [.. sends, .. ReportApplied()] : [.. sends];
    }

    private CoordinatorEffect[] ReportApplied()
    {
        Stable = applied;
        return [new CoordinatorEffect.Report(Stable)];
    }

    private IReadOnlyList<CoordinatorEffect> ReportStable()
    {
        Phase = CoordinatorPhase.Reporting;
        return [new CoordinatorEffect.Report(Stable)];
    }

    private IReadOnlyList<CoordinatorEffect> SendPrepare() =>
        Ask(CoordinatorPhase.Preparing, everyone, silo => new CoordinatorEffect.SendPrepare(silo, applied + 1));

    private IReadOnlyList<CoordinatorEffect> SendApply() =>
        Ask(CoordinatorPhase.Applying, everyone, silo => new CoordinatorEffect.SendApply(silo, applied + 1));

    private IReadOnlyList<CoordinatorEffect> PlanWhenAllAnswered()
    {
        if (waiting.Count > 0) return [];
        Phase = CoordinatorPhase.Planning;
        return [new CoordinatorEffect.MakePlan()];
    }

    private CoordinatorEffect[] Ask(CoordinatorPhase phase, IReadOnlyCollection<string> silos, Func<string, CoordinatorEffect> message)
    {
        Phase = phase;
        waiting.Clear();
        waiting.UnionWith(silos);
        return [.. silos.Select(message)];
    }
}
