namespace Peft.Orleans.Core.Runs;

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
