using Peft.Orleans.Core.Metrics;
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

/// <summary>A layer's version on its way from one silo to another; the bytes go over the data plane.</summary>
/// <param name="Layer">Layer.</param>
/// <param name="Version">Version.</param>
/// <param name="Buffers">Parameters, both moments and, unless the receiver has them, constants; none where the layer trains
/// nothing.</param>
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

/// <summary>Message <c>Reduce</c>: gather the replicas' partial sums, and give the whole ones back.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Term">Term.</param>
/// <param name="Step">Step.</param>
/// <param name="Microbatches">Microbatches of the step: the shape of the tree.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ReduceMessage")]
public sealed record ReduceMessage(string RunId, Term Term, int Step, int Microbatches);

/// <summary>Message <c>SendSums</c>: a replica's partial sums are asked for.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Term">Term.</param>
/// <param name="Step">Step.</param>
/// <param name="Layers">Layers asked for.</param>
/// <param name="Asking">Silo that asks.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SendSumsMessage")]
public sealed record SendSumsMessage(string RunId, Term Term, int Step, int[] Layers, PlannedSilo Asking);

/// <summary>Message <c>TakeSums</c>: the whole sums are given back.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Term">Term.</param>
/// <param name="Step">Step.</param>
/// <param name="Microbatches">Microbatches of the step.</param>
/// <param name="Layers">Layers they are of.</param>
/// <param name="Sums">The sums.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.TakeSumsMessage")]
public sealed record TakeSumsMessage(string RunId, Term Term, int Step, int Microbatches, int[] Layers, SumTransfer[] Sums);

/// <summary>What a layer measured of its reduced gradient.</summary>
/// <param name="SquaredNorm">Squared norm, float64.</param>
/// <param name="Lambda">λ used in this step.</param>
/// <param name="NextLambda">λ of the next.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.LayerMeasure")]
public sealed record LayerMeasure(double SquaredNorm, double[] Lambda, double[] NextLambda)
{
    /// <summary>Squared norm of each kind of trained tensor.</summary>
    [Id(0)] public Dictionary<string, double> Components { get; init; } = [];

    /// <summary>max |CᵀC − I| over its butterfly blocks; null without.</summary>
    [Id(1)] public double? OrthogonalityError { get; init; }

    /// <summary>max |UᴴU − I| over its unitary blocks; null without.</summary>
    [Id(2)] public double? UnitarityError { get; init; }
}

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
    string RunId, Term Term, int Step, double Clip, double[] Rates, StepRecord Record);
