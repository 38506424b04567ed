using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Cluster;

/// <summary>What every pass through the chain says.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.Pass")]
public abstract record Pass
{
    /// <summary>Run or session.</summary>
    [Id(0)] public required string RunId { get; init; }

    /// <summary>Term.</summary>
    [Id(1)] public required Term Term { get; init; }

    /// <summary>Replica whose chain it goes through.</summary>
    [Id(2)] public int Replica { get; init; }
}

/// <summary>A training microbatch: forward from version step − 1, backward, gradient leaf (step, index).</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.TrainPass")]
public sealed record TrainPass : Pass
{
    /// <summary>Step, from 1.</summary>
    [Id(0)] public required int Step { get; init; }

    /// <summary>Microbatch of the step.</summary>
    [Id(1)] public required int Index { get; init; }

    /// <summary>Number of microbatches of the step.</summary>
    [Id(2)] public required int Microbatches { get; init; }

    /// <summary>1 / target tokens of the whole global batch.</summary>
    [Id(3)] public required double Scale { get; init; }

    /// <summary>Where the microbatch's samples lie; ids and labels are read where they are needed.</summary>
    [Id(4)] public required BatchShape Shape { get; init; }
}

/// <summary>A sample for the estimate of the base gradient.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.EstimatePass")]
public sealed record EstimatePass : Pass
{
    /// <summary>Round over the samples, from 1.</summary>
    [Id(0)] public required int Round { get; init; }

    /// <summary>Sample, in the run's own order.</summary>
    [Id(1)] public required int Index { get; init; }

    /// <summary>1 / target tokens of the sample.</summary>
    [Id(2)] public required double Scale { get; init; }

    /// <summary>Where it lies.</summary>
    [Id(3)] public required BatchShape Shape { get; init; }
}

/// <summary>A validation microbatch: loss only.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.LossPass")]
public sealed record LossPass : Pass
{
    /// <summary>Version to compute with.</summary>
    [Id(0)] public required int Version { get; init; }

    /// <summary>Microbatch of the validation set.</summary>
    [Id(1)] public required int Index { get; init; }

    /// <summary>Where its samples lie.</summary>
    [Id(2)] public required BatchShape Shape { get; init; }
}

/// <summary>A row whose log-likelihood is asked for.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ScorePass")]
public sealed record ScorePass : Pass
{
    /// <summary>Version to compute with.</summary>
    [Id(0)] public required int Version { get; init; }

    /// <summary>The row, with its labels.</summary>
    [Id(1)] public required Microbatch Batch { get; init; }
}

/// <summary>New tokens of some rows, whose keys and values are cached on the way.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.GeneratePass")]
public sealed record GeneratePass : Pass
{
    /// <summary>Version to compute with.</summary>
    [Id(0)] public required int Version { get; init; }

    /// <summary>Key-value cache of the rows.</summary>
    [Id(1)] public required long Cache { get; init; }

    /// <summary>The new tokens of each row; null behind the embedding, which alone reads them.</summary>
    [Id(2)] public Microbatch? Tokens { get; init; }

    /// <summary>Rows of the cache that stay, in order, before this pass; null: all.</summary>
    [Id(3)] public int[]? KeepRows { get; init; }

    /// <summary>Where prompts of unequal length go together: tokens at the start of each row that are only padding; null: none.</summary>
    [Id(4)] public int[]? Padding { get; init; }

    /// <summary>How the next token is chosen; null: greedy.</summary>
    [Id(5)] public SamplingOptions? Sampling { get; init; }

    /// <summary>Whether the cache is dropped, and nothing computed.</summary>
    [Id(6)] public bool DropCache { get; init; }
}

/// <summary>How a token is drawn.</summary>
/// <param name="Temperature">Temperature above 0.</param>
/// <param name="TopP">Nucleus threshold.</param>
/// <param name="Seed">Seed.</param>
/// <param name="Rows">Index of each row's prompt in the request: part of the random stream's key.</param>
/// <param name="Position">Number of tokens generated before: part of the random stream's key.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SamplingOptions")]
public sealed record SamplingOptions(double Temperature, double TopP, long Seed, int[] Rows, int Position);

/// <summary>What comes back of a backward pass.</summary>
/// <param name="LossSum">Sum of the token losses.</param>
/// <param name="Gradient">dL/dx of the layer's input; null where nothing before it trains.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.GradientResult")]
public sealed record GradientResult(double LossSum, TensorRef? Gradient);

/// <summary>What comes back of a loss.</summary>
/// <param name="LossSum">Sum of the token losses.</param>
/// <param name="TargetTokens">Number of targets.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.LossResult")]
public sealed record LossResult(double LossSum, int TargetTokens);
