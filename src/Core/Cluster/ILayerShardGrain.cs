using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Cluster;

/// <summary>A layer shard as the cluster sees it; key: <see cref="SeatKey"/>. A handle: weights and versions live in its silo's agent.</summary>
[Alias("Peft.Orleans.ILayerShardGrain")]
public interface ILayerShardGrain : IGrainWithStringKey
{
    /// <summary>
    /// Sends activations through this layer and the rest of the chain; the result comes back up the chain. In training the result carries dL/dx
    /// of this layer's input. Errors travel the same way.
    /// </summary>
    /// <param name="call">What is computed.</param>
    /// <param name="position">The layer's place in the chain.</param>
    /// <param name="input">Activations; null at position 0.</param>
    [Alias("Pass"), ResponseTimeout("01:00:00")]
    Task<PassResult> Pass(PassCall call, int position, TensorRef? input);
}

/// <summary>What a pass through the pipeline computes.</summary>
public enum PassKind
{
    /// <summary>Forward, backward, gradient leaf.</summary>
    Train,

    /// <summary>Forward and backward through the frozen base, for LoRA-GA's initialisation.</summary>
    Estimate,

    /// <summary>Loss only.</summary>
    Loss,

    /// <summary>Log-likelihood of each row.</summary>
    Score,

    /// <summary>Next token of each row, with a key-value cache.</summary>
    Generate,
}

/// <summary>A pass through the pipeline.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.PassCall")]
public sealed record PassCall
{
    /// <summary>Run id.</summary>
    [Id(0)] public required string RunId { get; init; }

    /// <summary>Term.</summary>
    [Id(1)] public required Term Term { get; init; }

    /// <summary>Replica.</summary>
    [Id(2)] public int Replica { get; init; }

    /// <summary>What is computed.</summary>
    [Id(3)] public required PassKind Kind { get; init; }

    /// <summary>Step s: computed from version s − 1; in estimation the pass over the samples, from 1.</summary>
    [Id(4)] public required int Step { get; init; }

    /// <summary>Microbatch index.</summary>
    [Id(5)] public int Index { get; init; }

    /// <summary>Token ids and labels; in generation the new tokens of each row.</summary>
    [Id(6)] public required Microbatch Batch { get; init; }

    /// <summary>1 / target tokens of the whole global batch.</summary>
    [Id(7)] public double Scale { get; init; }

    /// <summary>Number of microbatches of the step.</summary>
    [Id(8)] public int Microbatches { get; init; }

    /// <summary>Key-value cache of the generation.</summary>
    [Id(9)] public long Cache { get; init; }

    /// <summary>Rows of the cache that stay, in order, before this pass; null: all.</summary>
    [Id(10)] public int[]? KeepRows { get; init; }

    /// <summary>How the next token is chosen; null: greedy.</summary>
    [Id(11)] public SamplingOptions? Sampling { get; init; }

    /// <summary>Whether the cache is dropped after this pass (then nothing is computed).</summary>
    [Id(12)] public bool DropCache { get; init; }

    /// <summary>Where prompts of unequal length go together: tokens at the start of each row that are only padding; null: none.</summary>
    [Id(13)] public int[]? Padding { get; init; }
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

/// <summary>What comes back up the chain.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.PassResult")]
public sealed record PassResult
{
    /// <summary>Sum of the token losses.</summary>
    [Id(0)] public double LossSum { get; init; }

    /// <summary>Number of targets.</summary>
    [Id(1)] public int TargetTokens { get; init; }

    /// <summary>dL/dx of the layer's input; null where nothing before it trains.</summary>
    [Id(2)] public TensorRef? Gradient { get; init; }

    /// <summary>Scores by row.</summary>
    [Id(3)] public ScoreResult[] Scores { get; init; } = [];

    /// <summary>Chosen tokens by row.</summary>
    [Id(4)] public int[] NextTokens { get; init; } = [];
}
