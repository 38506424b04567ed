using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Cluster;

/// <summary>A run as agents need to know it.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Folder">The run's folder; empty for a session without training.</param>
/// <param name="RunYaml">The resolved run file.</param>
/// <param name="Training">Whether optimizer buffers are needed.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.RunDefinition")]
public sealed record RunDefinition(string RunId, string Folder, string RunYaml, bool Training);

/// <summary>Answer to <c>Fence</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.FenceReply")]
public sealed record FenceReply
{
    /// <summary>Whether the generation is in force here now.</summary>
    [Id(0)] public required bool Accepted { get; init; }

    /// <summary>Why not.</summary>
    [Id(1)] public string Reason { get; init; } = "";

    /// <summary>Highest generation known here.</summary>
    [Id(2)] public Generation Highest { get; init; }

    /// <summary>The silo.</summary>
    [Id(3)] public required PlannedSilo Silo { get; init; }

    /// <summary>Complete versions by layer.</summary>
    [Id(4)] public required Dictionary<int, int[]> Inventory { get; init; }

    /// <summary>Records of the versions held, by step.</summary>
    [Id(5)] public required Dictionary<int, string> Records { get; init; }

    /// <summary>Compute threads of the silo.</summary>
    [Id(6)] public int Threads { get; init; }
}

/// <summary>Message <c>Start</c>.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">Generation.</param>
/// <param name="Plan">The plan.</param>
/// <param name="Target">Version to start from.</param>
/// <param name="Holders">For each layer a silo that holds the target version.</param>
/// <param name="SnapshotFolder">Folder of the valid snapshot at the target version, or null.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.StartMessage")]
public sealed record StartMessage(
    RunDefinition Run, Generation Generation, SeatPlan Plan, int Target, Dictionary<int, string> Holders, string? SnapshotFolder);

/// <summary>Answer of an agent.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.AgentReply")]
public sealed record AgentReply
{
    /// <summary>Whether the message was obeyed.</summary>
    [Id(0)] public required bool Accepted { get; init; }

    /// <summary>Why not.</summary>
    [Id(1)] public string Reason { get; init; } = "";

    /// <summary><c>Start</c>: version 0 has to be computed first.</summary>
    [Id(2)] public bool LacksVersion { get; init; }

    /// <summary><c>Start</c>: whether the initialisation needs the base gradient.</summary>
    [Id(3)] public bool NeedsEstimate { get; init; }

    /// <summary><c>Prepare</c>: what each active layer measured, by layer.</summary>
    [Id(4)] public Dictionary<int, LayerMeasure> Measures { get; init; } = [];

    /// <summary><c>Apply</c>, initialisation: hash of each layer's version.</summary>
    [Id(5)] public Dictionary<int, string> Hashes { get; init; } = [];

    /// <summary>Files written, with their sha256.</summary>
    [Id(6)] public Dictionary<string, string> Files { get; init; } = [];

    /// <summary>Tensors on their way to the asking silo, by buffer name.</summary>
    [Id(7)] public Dictionary<string, TensorRef> Tensors { get; init; } = [];

    /// <summary>λ of a version on its way.</summary>
    [Id(8)] public double[] Lambda { get; init; } = [];

    /// <summary>Record of a version on its way.</summary>
    [Id(9)] public string Record { get; init; } = "";
}

/// <summary>What a layer measured of its reduced gradient.</summary>
/// <param name="SquaredNorm">Squared norm, float64.</param>
/// <param name="Lambda">λ used in this step.</param>
/// <param name="NextLambda">λ of the next.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.LayerMeasure")]
public sealed record LayerMeasure(double SquaredNorm, double[] Lambda, double[] NextLambda);

/// <summary>Message <c>Apply</c>.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Generation">Generation.</param>
/// <param name="Step">Step.</param>
/// <param name="Clip">Factor on the gradients.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="RotationLearningRate">That of the rotation angles.</param>
/// <param name="Record">The step's record, kept with the version.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ApplyMessage")]
public sealed record ApplyMessage(
    string RunId, Generation Generation, int Step, double Clip, double LearningRate, double RotationLearningRate, string Record);

/// <summary>What an agent says of its silo.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.AgentReport")]
public sealed record AgentReport(int Pid, long ResidentBytes, long PeakResidentBytes, long WeightBytesRead, string MetricsUrl, Dictionary<string, int[]> ActiveLayers, long LiveTensors);
