using System.Globalization;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.ChatTemplates;
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
        RunSpec spec, ModelFolder model, int threads, RunSpec? recorded = null, Func<WeightType, ProductType>? products = null)
    {
        // Of a cache the snapshot: the one that the run began with.
        spec = spec with { Model = spec.Model with { Path = model.Path } };
        if (spec.Method.InitialAdapter is { } adapter && AdapterFolder.Is(adapter))
            spec = spec with { Method = AdapterFolder.Read(adapter).Adopt(spec.Method, model) };
        var dtype = spec.Model.Dtype ?? model.StoredType;
        var before = recorded?.Compute;
        var compute = spec.Compute with { Replicas = spec.Compute.Replicas ?? before?.Replicas };
        var time = spec.Data.ChatTime ?? recorded?.Data.ChatTime ?? (TellsTime(spec) ? Now() : null);
        return ResolvedRun.Of(
            spec with { Compute = compute, Data = spec.Data with { ChatTime = time } },
            model.Dimensions,
            dtype,
            spec.Compute.Products ?? before?.Products ?? (products ?? Processor.Products)(dtype),
            spec.Compute.ThreadsPerSilo ?? before?.ThreadsPerSilo ?? threads);
    }

    // A step is a pure function of the run file: what a template writes of the day must be in it.
    private static bool TellsTime(RunSpec spec)
    {
        if (!TrainedPrompts.UsesTemplate(spec.Data)) return false;
        try
        {
            return ChatTemplate.Select(spec.Data.ChatTemplate, spec.Model.Path).TellsTime;
        }
        catch (PeftException)
        {
            // The check of the run's files refuses it, with its line.
            return false;
        }
    }

    private static string Now() => TimeProvider.System.GetLocalNow().ToString(RunRules.ChatTimeForm, CultureInfo.InvariantCulture);
}
