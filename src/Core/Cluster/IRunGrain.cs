using Peft.Orleans.Core.Runs;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Core.Cluster;

/// <summary>A run's coordinator; key: run id. Any silo; idempotent.</summary>
[Alias("Peft.Orleans.IRunGrain")]
public interface IRunGrain : IGrainWithStringKey
{
    /// <summary>Starts the run, or continues it from its last snapshot; a second call with the same request only reports.</summary>
    [AllowedTo(Role.Operator), Alias("Start"), ResponseTimeout("00:30:00")]
    Task<RunStatus> Start(RunRequest request);

    /// <summary>Where the run stands.</summary>
    [AllowedTo(Role.ReadOnly), Alias("GetStatus"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<RunStatus> GetStatus();

    /// <summary>Lines of metrics.jsonl of steps after <paramref name="step"/>, at most 1,000.</summary>
    [AllowedTo(Role.ReadOnly), Alias("GetMetrics"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<IReadOnlyList<string>> GetMetrics(int step);

    /// <summary>Stops after the step under way, with a snapshot if asked; returns at once.</summary>
    [AllowedTo(Role.Operator), Alias("Stop"), global::Orleans.Concurrency.AlwaysInterleave]
    Task Stop(bool snapshot);

    /// <summary>The silos of the cluster and what each holds of this run.</summary>
    [AllowedTo(Role.ReadOnly), Alias("GetSilos"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<IReadOnlyList<SiloStatus>> GetSilos();

    /// <summary>Called by agents when the membership of the cluster changed: brings the coordinator to life.</summary>
    [Alias("MembershipChanged"), global::Orleans.Concurrency.AlwaysInterleave]
    Task MembershipChanged();

    /// <summary>Called by an agent that does not reach another silo: the coordinator asks all, and evicts what they do not reach.</summary>
    [Alias("PeerUnreachable"), global::Orleans.Concurrency.AlwaysInterleave]
    Task PeerUnreachable(string from, string to);

    /// <summary>
    /// Called again and again by a silo that was told to leave: the run gives its seats to others, takes from it what they lack, and goes
    /// on without it.
    /// </summary>
    /// <param name="incarnation">The silo, as plans name it.</param>
    /// <returns>Whether it may go: the run has nothing of it any more.</returns>
    [Alias("Leave"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<bool> Leave(string incarnation);
}

/// <summary>All runs of a cluster; key 0.</summary>
[Alias("Peft.Orleans.IRunCatalogGrain")]
public interface IRunCatalogGrain : IGrainWithIntegerKey
{
    /// <summary>Records a run's state.</summary>
    [Alias("Report")]
    Task Report(RunStatus status);

    /// <summary>All runs, newest first.</summary>
    [AllowedTo(Role.ReadOnly), Alias("List")]
    Task<IReadOnlyList<RunStatus>> List();
}

/// <summary>Asks for a run.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Folder">The run's folder, absolute, on storage that every silo sees.</param>
/// <param name="RunYaml">The resolved run file (paths absolute).</param>
/// <param name="Resume">Whether a run that ended or was stopped continues from its last snapshot.</param>
/// <param name="Checked">Whether the client has checked the run's files itself; one far away does not see them.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.RunRequest")]
public sealed record RunRequest(string RunId, string Folder, string RunYaml, bool Resume, bool Checked = false);

/// <summary>A silo as a run sees it.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SiloStatus")]
public sealed record SiloStatus
{
    /// <summary>Silo name.</summary>
    [Id(0)] public required string Name { get; init; }

    /// <summary>Process id.</summary>
    [Id(1)] public int Pid { get; init; }

    /// <summary>Orleans endpoint.</summary>
    [Id(2)] public string Address { get; init; } = "";

    /// <summary>Membership state: Active, Joining, Dead …</summary>
    [Id(3)] public string State { get; init; } = "";

    /// <summary>Replica its active seats belong to; null without.</summary>
    [Id(4)] public int? Replica { get; init; }

    /// <summary>Layers of its active seats.</summary>
    [Id(5)] public int[] Layers { get; init; } = [];

    /// <summary>Whether it holds no seat.</summary>
    [Id(6)] public bool Standby { get; init; }

    /// <summary>Resident memory of the process, bytes.</summary>
    [Id(7)] public long ResidentBytes { get; init; }

    /// <summary>Bytes of base weights read by this silo.</summary>
    [Id(8)] public long WeightBytesRead { get; init; }

    /// <summary>URL of its Prometheus metrics.</summary>
    [Id(9)] public string MetricsUrl { get; init; } = "";
}
