using System.Security.Cryptography;
using System.Text;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// A run of which everything is decided: what a run file leaves open is filled in from its model and from where it runs. Made once, by one
/// resolver for client and coordinator, so that a plan shown before the start is the plan that is made. Grains get it as it is; run.yaml is
/// its text.
/// </summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ResolvedRun")]
public sealed record ResolvedRun
{
    /// <summary>The run file with every decision written into it; paths absolute.</summary>
    [Id(0)] public required RunSpec Spec { get; init; }

    /// <summary>Its text: run.yaml.</summary>
    [Id(1)] public required string Yaml { get; init; }

    /// <summary>sha256 of the text, hexadecimal: ties snapshots to the run.</summary>
    [Id(2)] public required string Hash { get; init; }

    /// <summary>Sizes of the model.</summary>
    [Id(3)] public required ModelDimensions Model { get; init; }

    /// <summary>How frozen weights are held.</summary>
    [Id(4)] public required WeightType Dtype { get; init; }

    /// <summary>The type in which they are multiplied.</summary>
    [Id(5)] public required ProductType Products { get; init; }

    /// <summary>Compute threads of each silo.</summary>
    [Id(6)] public required int Threads { get; init; }

    /// <summary>The method.</summary>
    public MethodSpec Method => Spec.Method;

    /// <summary>Steps of the run; null where epochs are counted once the data set is read.</summary>
    public int? Steps => Spec.Training.Steps;

    /// <summary>Microbatches of a step.</summary>
    public int Microbatches => Math.Max(1, Spec.Training.GlobalBatch / Spec.Training.Microbatch);

    /// <summary>Tokens of the longest row there can be.</summary>
    public int Columns => Model.MaxPositions > 0 ? Math.Min(Spec.Data.MaxLength, Model.MaxPositions) : Spec.Data.MaxLength;

    /// <summary>What the run's layer shards are made of.</summary>
    public ModelChoice Setup => new()
    {
        Path = Spec.Model.Path,
        Dtype = Dtype,
        Products = Products,
        Method = Method,
        Seed = Spec.Seed,
        Recompute = Spec.Training.Recompute,
        Optimizer = Spec.Training.Optimizer,
    };

    /// <summary>Makes a run of decided values: they are written into the run file, <c>all-linear</c> as the model's modules.</summary>
    /// <param name="spec">Run file; what it says itself agrees with the values.</param>
    /// <param name="model">Sizes of the model.</param>
    /// <param name="dtype">How frozen weights are held; where the run file does not say, it goes on saying nothing: as stored.</param>
    /// <param name="products">The type in which they are multiplied.</param>
    /// <param name="threads">Compute threads of each silo.</param>
    /// <exception cref="PeftException">A target module is none of the model's.</exception>
    public static ResolvedRun Of(RunSpec spec, ModelDimensions model, WeightType dtype, ProductType products, int threads)
    {
        // Names keep the order in which they were written.
        var targets = Methods.TargetModules.Resolve(spec.Method, model);
        var decided = spec with
        {
            Method = spec.Method with { TargetModules = spec.Method.AdaptsEveryLinear ? targets : spec.Method.TargetModules.ToArray() },
            Compute = spec.Compute with { ThreadsPerSilo = threads, Products = products },
        };
        var yaml = RunFile.Write(decided);
        return new ResolvedRun
        {
            Spec = decided,
            Yaml = yaml,
            Hash = HashOf(yaml),
            Model = model,
            Dtype = dtype,
            Products = products,
            Threads = threads,
        };
    }

    /// <summary>sha256 of a run file's text, hexadecimal.</summary>
    public static string HashOf(string yaml) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(yaml)));
}
