using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What is known of a term: what it was drawn for, and what has been decided since.</summary>
/// <param name="Request">The run's request.</param>
/// <param name="Run">The run, everything decided.</param>
/// <param name="Data">What the data set holds.</param>
/// <param name="Term">The term itself.</param>
/// <param name="Live">Silos that lived when it was drawn: all are fenced, and those that did not answer are taken out.</param>
/// <param name="Recovering">Whether it was drawn because something was lost.</param>
/// <param name="Progress">The run's status.</param>
/// <param name="Figures">What is exported of the run.</param>
/// <param name="Abandoned">Cancelled when the coordinator is deactivated.</param>
/// <param name="SiloStops">Cancelled when the coordinator's silo shuts down.</param>
internal sealed record TermContext(
    RunRequest Request,
    ResolvedRun Run,
    DatasetSummary Data,
    Term Term,
    SortedDictionary<string, SiloAddress> Live,
    bool Recovering,
    RunProgress Progress,
    RunInstruments Figures,
    CancellationToken Abandoned,
    CancellationToken SiloStops)
{
    private readonly Dictionary<(int Layer, int Version), Dictionary<string, string>> said = [];
    private SeatPlan? plan;

    /// <summary>The run file, everything decided.</summary>
    internal RunSpec Spec => Run.Spec;

    /// <summary>Run id.</summary>
    internal string RunId => Request.RunId;

    /// <summary>The run's folder.</summary>
    internal RunFolder Folder { get; } = new(Request.Folder);

    /// <summary>What the run's journals hold.</summary>
    internal FolderCopy Copy { get; init; } = new();

    /// <summary>What every agent is told of the run.</summary>
    internal RunDefinition Definition => new(RunId, Request.Folder, Run.Setup, Training: true);

    /// <summary>Unique to the term: part of the names of what it writes.</summary>
    internal string Writer => $"{Term.Counter}-{Term.Nonce.ToString("N")[..8]}";

    /// <summary>Whether there is a plan.</summary>
    internal bool Planned => plan is not null;

    /// <summary>The plan in force.</summary>
    internal SeatPlan Plan
    {
        get => plan ?? throw new System.Diagnostics.UnreachableException($"term {Term} has no plan yet");
        set => plan = value;
    }

    /// <summary>Records of the steps whose versions are held somewhere, by step.</summary>
    internal SortedDictionary<int, StepRecord> Records { get; } = [];

    /// <summary>
    /// What silos said, when they were fenced, that the bytes of a layer's version are, by silo: of a version after the target what came
    /// out when its step was made before.
    /// </summary>
    internal Dictionary<string, string> SaidOf(int layer, int version) =>
        said.TryGetValue((layer, version), out var known) ? known : said[(layer, version)] = new(StringComparer.Ordinal);

    /// <summary>Silos with a first seat.</summary>
    internal IEnumerable<string> FirstSilos =>
        Plan.Seats.Where(static seat => seat is { Active: true, Replica: 0 }).Select(static seat => seat.Silo).Distinct();

    /// <summary>Silos with an active seat of any replica.</summary>
    internal int ComputingSilos => Plan.Seats.Where(static seat => seat.Active).Select(static seat => seat.Silo).Distinct().Count();

    /// <summary>Why a silo with a number of threads cannot compute as the run does; null: it can.</summary>
    internal UnfitSiloException? Unfit(string silo, int threads) => threads == Run.Threads
        ? null
        : new UnfitSiloException(
            silo,
            $" computes with {threads} threads, but the run was created for {Run.Threads} (compute.threads_per_silo); start it with "
            + $"--threads {Run.Threads}");

    /// <summary>The seat where a replica's chain begins.</summary>
    internal SeatKey First(int replica)
    {
        var layer = Plan.Positions[0];
        return new SeatKey(RunId, replica, layer, Plan.ActiveSilo(replica, layer));
    }
}

/// <summary>A run's status, as it changes.</summary>
internal sealed class RunProgress(RunStatus status)
{
    /// <summary>Where the run stands.</summary>
    internal RunStatus Status { get; private set; } = status;

    /// <summary>Changes it.</summary>
    internal void Note(Func<RunStatus, RunStatus> change) => Status = change(Status);
}
