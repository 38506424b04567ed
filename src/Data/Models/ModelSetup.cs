using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.Models;

/// <summary>
/// A model as its layer shards compute it: which checkpoint, adapted how, in which types. Inference makes it without a run.
/// </summary>
/// <param name="Model">The checkpoint.</param>
/// <param name="Method">The method and its options.</param>
/// <param name="Dtype">How frozen weights are held.</param>
/// <param name="Products">The type in which half-type weights are multiplied.</param>
public sealed record ModelSetup(ModelFolder Model, MethodSpec Method, WeightType Dtype, ProductType Products)
{
    /// <summary>Seed of initialisation.</summary>
    public long Seed { get; init; } = new RunSpec().Seed;

    /// <summary>The optimizer.</summary>
    public OptimizerSpec Optimizer { get; init; } = new();

    /// <summary>Whether blocks run their forward pass again before the backward pass.</summary>
    public RecomputePolicy Recompute { get; init; }

    /// <summary>The setup that was chosen, its folder opened.</summary>
    /// <exception cref="Core.PeftException">There is no such model.</exception>
    public static ModelSetup Of(ModelChoice choice) => new(ModelFolder.Open(choice.Path), choice.Method, choice.Dtype, choice.Products)
    {
        Seed = choice.Seed,
        Optimizer = choice.Optimizer,
        Recompute = choice.Recompute,
    };
}
