using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Runs;

/// <summary>
/// Decides what a run file leaves open. The one way from a run file to a <see cref="ResolvedRun"/>, for client and coordinator.
/// </summary>
public static class RunResolver
{
    /// <summary>Resolves a run.</summary>
    /// <param name="spec">Run file, paths absolute.</param>
    /// <param name="model">Its model's folder.</param>
    /// <param name="threads">Compute threads of each silo, where the file says <c>auto</c>.</param>
    /// <param name="recorded">What was decided when the run was created; it holds wherever the file leaves it open. Null: a new
    /// run.</param>
    /// <param name="products">What <c>compute.products: auto</c> means for a type of weights; null: as this machine's processor
    /// multiplies.</param>
    /// <exception cref="PeftException">A target module is none of the model's.</exception>
    public static ResolvedRun Resolve(
        RunSpec spec, ModelFolder model, int threads, ComputeSpec? recorded = null, Func<WeightType, ProductType>? products = null)
    {
        if (spec.Method.InitialAdapter is { } adapter && AdapterFolder.Is(adapter))
            spec = spec with { Method = AdapterFolder.Read(adapter).Adopt(spec.Method, model) };
        var dtype = spec.Model.Dtype ?? model.StoredType;
        var compute = spec.Compute with { Replicas = spec.Compute.Replicas ?? recorded?.Replicas };
        return ResolvedRun.Of(
            spec with { Compute = compute },
            model.Dimensions,
            dtype,
            spec.Compute.Products ?? recorded?.Products ?? (products ?? Processor.Products)(dtype),
            spec.Compute.ThreadsPerSilo ?? recorded?.ThreadsPerSilo ?? threads);
    }
}
