using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Cluster;

/// <summary>A run as agents need to know it.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Folder">The run's folder; empty for a session without training.</param>
/// <param name="Setup">What its layer shards are made of.</param>
/// <param name="Training">Whether optimizer buffers are needed.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.RunDefinition")]
public sealed record RunDefinition(string RunId, string Folder, ModelChoice Setup, bool Training);

/// <summary>Answer to <c>Fence</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.FenceReply")]
public sealed record FenceReply
{
    /// <summary>Whether the term is in force here now.</summary>
    [Id(0)] public required bool Accepted { get; init; }

    /// <summary>Why not.</summary>
    [Id(1)] public string Reason { get; init; } = "";

    /// <summary>Highest term known here.</summary>
    [Id(2)] public Term Highest { get; init; }

    /// <summary>The silo.</summary>
    [Id(3)] public required PlannedSilo Silo { get; init; }

    /// <summary>Complete versions by layer.</summary>
    [Id(4)] public required Dictionary<int, int[]> Inventory { get; init; }

    /// <summary>Records of the versions held, by step.</summary>
    [Id(5)] public required Dictionary<int, string> Records { get; init; }

    /// <summary>Compute threads of the silo.</summary>
    [Id(6)] public int Threads { get; init; }

    /// <summary>Layers whose base weights are loaded.</summary>
    [Id(7)] public int[] Loaded { get; init; } = [];

    /// <summary>Bytes of memory for weights and activations on this silo's device.</summary>
    [Id(8)] public long MemoryBytes { get; init; }
}

/// <summary>Message <c>Start</c>.</summary>
/// <param name="Run">The run.</param>
/// <param name="Term">Term.</param>
/// <param name="Plan">The plan.</param>
/// <param name="Target">Version to start from.</param>
/// <param name="Holders">For each layer a silo that holds the target version.</param>
/// <param name="SnapshotFolder">Folder of the valid snapshot at the target version, or null.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.StartMessage")]
public sealed record StartMessage(
    RunDefinition Run, Term Term, SeatPlan Plan, int Target, Dictionary<int, string> Holders, string? SnapshotFolder);

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

    /// <summary>Versions on their way to the asking silo.</summary>
    [Id(7)] public VersionTransfer[] Versions { get; init; } = [];

    /// <summary>Record of the versions on their way.</summary>
    [Id(8)] public string Record { get; init; } = "";

    /// <summary>Partial gradient sums on their way to the asking silo.</summary>
    [Id(9)] public SumTransfer[] Sums { get; init; } = [];

    /// <summary><c>Prepare</c>: seconds the device computed for the step's microbatches.</summary>
    [Id(10)] public double ComputeSeconds { get; init; }
}

/// <summary>A layer's version on its way from one silo to another; the bytes go over the data plane.</summary>
/// <param name="Layer">Layer.</param>
/// <param name="Version">Version.</param>
/// <param name="Buffers">Parameters, both moments and, unless the receiver has them, constants; none where the layer trains nothing.</param>
/// <param name="Lambda">λ of the version.</param>
/// <param name="Hash">Hash of the whole version: what arrived is checked against it.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.VersionTransfer")]
public sealed record VersionTransfer(int Layer, int Version, TensorRef[] Buffers, double[] Lambda, string Hash);

/// <summary>Message <c>Put</c>: versions for seats of the addressed silo.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Term">Term.</param>
/// <param name="Versions">The versions.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.PutMessage")]
public sealed record PutMessage(string RunId, Term Term, VersionTransfer[] Versions);

/// <summary>A node of a layer's gradient tree on its way to another replica.</summary>
/// <param name="Layer">Layer.</param>
/// <param name="Level">Level of the node: it covers 2^level microbatches.</param>
/// <param name="Index">Index on its level.</param>
/// <param name="Sum">The sum, fp32.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SumTransfer")]
public sealed record SumTransfer(int Layer, int Level, int Index, TensorRef Sum);

/// <summary>Messages of the reduction over replicas.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Term">Term.</param>
/// <param name="Step">Step.</param>
/// <param name="Microbatches">Microbatches of the step: the shape of the tree.</param>
/// <param name="Layers">Layers asked for.</param>
/// <param name="Asking">Silo that asks; null from the coordinator.</param>
/// <param name="Sums">The whole sums, where they are given back.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ReduceMessage")]
public sealed record ReduceMessage(string RunId, Term Term, int Step, int Microbatches, int[] Layers, PlannedSilo? Asking, SumTransfer[] Sums);

/// <summary>What a layer measured of its reduced gradient.</summary>
/// <param name="SquaredNorm">Squared norm, float64.</param>
/// <param name="Lambda">λ used in this step.</param>
/// <param name="NextLambda">λ of the next.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.LayerMeasure")]
public sealed record LayerMeasure(double SquaredNorm, double[] Lambda, double[] NextLambda);

/// <summary>Message <c>Apply</c>.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Term">Term.</param>
/// <param name="Step">Step.</param>
/// <param name="Clip">Factor on the gradients.</param>
/// <param name="Rates">Learning rate of each group of parameters (<see cref="Runs.ParameterGroup"/>), in their order.</param>
/// <param name="Record">The step's record, kept with the version.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ApplyMessage")]
public sealed record ApplyMessage(
    string RunId, Term Term, int Step, double Clip, double[] Rates, string Record);

/// <summary>What an agent says of its silo.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.AgentReport")]
public sealed record AgentReport
{
    /// <summary>Process id.</summary>
    [Id(0)] public required int Pid { get; init; }

    /// <summary>Resident memory of the process, bytes.</summary>
    [Id(1)] public long ResidentBytes { get; init; }

    /// <summary>Its peak.</summary>
    [Id(2)] public long PeakResidentBytes { get; init; }

    /// <summary>Bytes of base weights read so far.</summary>
    [Id(3)] public long WeightBytesRead { get; init; }

    /// <summary>URL of /metrics.</summary>
    [Id(4)] public string MetricsUrl { get; init; } = "";

    /// <summary>Tensors alive in the process.</summary>
    [Id(5)] public long LiveTensors { get; init; }

    /// <summary>The silo as plans name it.</summary>
    [Id(6)] public required PlannedSilo Silo { get; init; }

    /// <summary>Layers whose base weights are loaded, by run.</summary>
    [Id(7)] public Dictionary<string, int[]> LoadedLayers { get; init; } = [];

    /// <summary>Memory for weights and activations on the silo's device.</summary>
    [Id(8)] public long MemoryBytes { get; init; }
}
