namespace Peft.Orleans.Core.Cluster;

/// <summary>A run's coordinator; key: run id. Any silo; idempotent.</summary>
[Alias("Peft.Orleans.IRunGrain")]
public interface IRunGrain : IGrainWithStringKey
{
    /// <summary>Starts the run, or continues it from its last snapshot; a second call with the same request only reports.</summary>
    [Alias("Start"), ResponseTimeout("00:30:00")]
    Task<RunStatus> Start(RunRequest request);

    /// <summary>Where the run stands.</summary>
    [Alias("GetStatus"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<RunStatus> GetStatus();

    /// <summary>Lines of metrics.jsonl of steps after <paramref name="step"/>, at most 1,000.</summary>
    [Alias("GetMetrics"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<IReadOnlyList<string>> GetMetrics(int step);

    /// <summary>Stops after the step under way, with a snapshot if asked; returns at once.</summary>
    [Alias("Stop"), global::Orleans.Concurrency.AlwaysInterleave]
    Task Stop(bool snapshot);

    /// <summary>The silos of the cluster and what each holds of this run.</summary>
    [Alias("GetSilos"), global::Orleans.Concurrency.AlwaysInterleave]
    Task<IReadOnlyList<SiloStatus>> GetSilos();

    /// <summary>Called by agents when the membership of the cluster changed: brings the coordinator to life.</summary>
    [Alias("MembershipChanged"), global::Orleans.Concurrency.AlwaysInterleave]
    Task MembershipChanged();

    /// <summary>Called by an agent that does not reach another silo: the coordinator asks all, and evicts what they do not reach.</summary>
    [Alias("PeerUnreachable"), global::Orleans.Concurrency.AlwaysInterleave]
    Task PeerUnreachable(string from, string to);
}

/// <summary>All runs of a cluster; key 0.</summary>
[Alias("Peft.Orleans.IRunCatalogGrain")]
public interface IRunCatalogGrain : IGrainWithIntegerKey
{
    /// <summary>Records a run's state.</summary>
    [Alias("Report")]
    Task Report(RunStatus status);

    /// <summary>All runs, newest first.</summary>
    [Alias("List")]
    Task<IReadOnlyList<RunStatus>> List();
}

/// <summary>Asks for a run.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Folder">The run's folder, absolute, on storage that every silo sees.</param>
/// <param name="RunYaml">The resolved run file (paths absolute).</param>
/// <param name="Resume">Whether a run that ended or was stopped continues from its last snapshot.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.RunRequest")]
public sealed record RunRequest(string RunId, string Folder, string RunYaml, bool Resume);

/// <summary>What a run is doing.</summary>
public enum RunState
{
    /// <summary>Silos load weights, version 0 is computed.</summary>
    Starting,

    /// <summary>Steps are being made.</summary>
    Running,

    /// <summary>Waiting: <see cref="RunStatus.Message"/> says for what.</summary>
    Paused,

    /// <summary>Writing the last snapshot and the adapter.</summary>
    Finishing,

    /// <summary>All steps done, adapter written.</summary>
    Completed,

    /// <summary>Ended by an error: <see cref="RunStatus.Message"/>.</summary>
    Failed,

    /// <summary>Stopped on demand; can be resumed.</summary>
    Stopped,
}

/// <summary>Where a run stands.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.RunStatus")]
public sealed record RunStatus
{
    /// <summary>Run id.</summary>
    [Id(0)] public required string RunId { get; init; }

    /// <summary>The run's folder.</summary>
    [Id(1)] public string Folder { get; init; } = "";

    /// <summary>State.</summary>
    [Id(2)] public RunState State { get; init; }

    /// <summary>What is being done or waited for, or the error; one line or more for a person.</summary>
    [Id(3)] public string Message { get; init; } = "";

    /// <summary>Last committed step.</summary>
    [Id(4)] public int Step { get; init; }

    /// <summary>Number of steps of the run.</summary>
    [Id(5)] public int Steps { get; init; }

    /// <summary>Loss of the last committed step.</summary>
    [Id(6)] public double? Loss { get; init; }

    /// <summary>Last validation loss.</summary>
    [Id(7)] public double? ValidationLoss { get; init; }

    /// <summary>Input tokens per second over the last steps.</summary>
    [Id(8)] public double TokensPerSecond { get; init; }

    /// <summary>The adapter's folder (method full: the model's), once written.</summary>
    [Id(9)] public string? AdapterPath { get; init; }

    /// <summary>sha256 of the adapter's tensors file (method full: over the model's shards in order).</summary>
    [Id(10)] public string? AdapterSha256 { get; init; }

    /// <summary>Number of silos in the plan.</summary>
    [Id(11)] public int Silos { get; init; }

    /// <summary>Number of recoveries so far.</summary>
    [Id(12)] public int Recoveries { get; init; }

    /// <summary>Term counter.</summary>
    [Id(13)] public int Term { get; init; }

    /// <summary>Fraction of evaluation problems answered correctly before training, once known.</summary>
    [Id(14)] public double? EvaluationBefore { get; init; }

    /// <summary>The same after training.</summary>
    [Id(15)] public double? EvaluationAfter { get; init; }

    /// <summary>Number of evaluation problems.</summary>
    [Id(16)] public int EvaluationProblems { get; init; }

    /// <summary>When the run was created, UTC.</summary>
    [Id(17)] public DateTimeOffset Created { get; init; }

    /// <summary>λ per decoder layer used in the last step (hybrid).</summary>
    [Id(18)] public double[] Lambda { get; init; } = [];

    /// <summary>Peak resident memory of each silo's process, bytes, by name; once the last step is made.</summary>
    [Id(19)] public Dictionary<string, long> PeakMemory { get; init; } = [];
}

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
