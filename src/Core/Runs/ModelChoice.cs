using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// What layer shards are made of: a model, how it is held and multiplied, how it is adapted and trained. A run has one, and so has
/// inference, which trains nothing. Everything is decided: shards on different silos that have the same setup are the same.
/// </summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ModelChoice")]
public sealed record ModelChoice
{
    /// <summary>Hugging Face folder of the base model.</summary>
    [Id(0)] public required string Path { get; init; }

    /// <summary>How frozen weights are held.</summary>
    [Id(1)] public required WeightType Dtype { get; init; }

    /// <summary>The type in which they are multiplied.</summary>
    [Id(2)] public required ProductType Products { get; init; }

    /// <summary>The method; its target modules are names of the model's modules.</summary>
    [Id(3)] public required MethodSpec Method { get; init; }

    /// <summary>Seed of everything random: initialisation, dropout, weights where there are none.</summary>
    [Id(4)] public long Seed { get; init; } = new RunSpec().Seed;

    /// <summary>What is kept for the backward pass.</summary>
    [Id(5)] public RecomputePolicy Recompute { get; init; } = RecomputePolicy.Never;

    /// <summary>Optimizer: which state a version has, and its constants.</summary>
    [Id(6)] public OptimizerSpec Optimizer { get; init; } = new();
}
