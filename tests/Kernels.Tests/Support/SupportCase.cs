using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;

namespace Peft.Orleans.Kernels.Tests.Support;

/// <summary>What a user can do with a model of some family, a method and a precision.</summary>
internal enum Feature
{
    /// <summary>Steps lower the loss; the same steps leave the same bits.</summary>
    Training,

    /// <summary>Samples in one row are computed as if each were alone.</summary>
    Packing,

    /// <summary>Log-likelihoods are the loss.</summary>
    Scoring,

    /// <summary>The next token, from a cache and beside longer prompts, is that of a whole pass.</summary>
    Generation,

    /// <summary><c>export --as adapter</c>: what is written loads, and computes the same.</summary>
    Adapter,

    /// <summary><c>export --as lora</c>: as plain LoRA it computes the same.</summary>
    Lora,

    /// <summary><c>export --as merged</c>: the merged model computes the same.</summary>
    Merged,
}

/// <summary>A cell's place: family, method with its options, how base weights are held.</summary>
/// <param name="Family"><c>model_type</c>.</param>
/// <param name="Method">Name of a case of the conformance suite.</param>
/// <param name="Precision">Of the stored and held weights.</param>
internal sealed record SupportCase(string Family, string Method, WeightType Precision)
{
    /// <summary>The methods of a run file, and DoRA, with the options a run has that says nothing more.</summary>
    internal static IReadOnlyList<(string Case, string Title)> Methods { get; } =
    [
        ("full", "full"),
        ("lora", "LoRA"),
        ("lora dora", "DoRA"),
        ("lora_ga Stable", "LoRA-GA"),
        ("boft Input Cayley", "BOFT"),
        ("urnn structured", "uRNN"),
        ("hybrid", "Hybrid"),
    ];

    internal static IReadOnlyList<WeightType> Precisions { get; } = [WeightType.Float32, WeightType.BFloat16, WeightType.Float16];

    // Registered by tests alone.
    private static readonly string[] OfTests = ["layernorm_llama", "scaled"];

    /// <summary>Every family that Data knows.</summary>
    internal static IReadOnlyList<string> Families { get; } =
    [.. ModelFamilies.All.Select(static family => family.Family).Except(OfTests)];

    /// <summary>All cases, for theories.</summary>
    public static MatrixTheoryData<string, string, string> All => new(
        Families,
        Methods.Select(static method => method.Case),
        Precisions.Select(static precision => precision.ToString()));

    /// <summary>The family's small model: the first of the conformance suite's.</summary>
    internal FamilyCase Model => FamilyCase.Every.First(family => family.Config.Contains($"\"model_type\": \"{Family}\""));
}
