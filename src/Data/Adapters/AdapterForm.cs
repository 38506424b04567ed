using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using static Peft.Orleans.Data.Adapters.AdapterOptions;

namespace Peft.Orleans.Data.Adapters;

/// <summary>How an adapter becomes plain LoRA.</summary>
public enum PlainLora
{
    /// <summary>It is that.</summary>
    Same,

    /// <summary>Another rank holds it exactly.</summary>
    Exact,

    /// <summary>Its change of weights is approximated to a rank that is asked for.</summary>
    Approximated,
}

/// <summary>
/// What an adapter of one <c>peft_type</c> keeps in its files. A method adds one line to <see cref="All"/>; a test holds that its
/// tensors are those the layer shards write.
/// </summary>
/// <param name="PeftType"><c>peft_type</c> in adapter_config.json.</param>
/// <param name="Method">The method.</param>
/// <param name="ReadPeft">Reads PEFT's keys; null: PEFT has no such method, and the configuration carries our section
/// <c>method</c>.</param>
/// <param name="PlainLora">How it becomes plain LoRA.</param>
/// <param name="Parts">Tensors of a module.</param>
/// <param name="Options">Options on which the meaning of these tensors depends.</param>
internal sealed record AdapterForm(
    string PeftType,
    MethodName Method,
    Func<ConfigReader, MethodSpec>? ReadPeft,
    PlainLora PlainLora,
    Func<MethodSpec, AdapterPart[]> Parts,
    Func<MethodSpec, AdapterOption[]> Options)
{
    /// <summary>The forms of this version.</summary>
    internal static readonly IReadOnlyList<AdapterForm> All =
    [
        new("LORA", MethodName.Lora, PeftMethods.Lora, PlainLora.Same, AdapterParts.OfLora, static _ => [Rank, Alpha, Rslora, Dora]),
        new("LORA_GA", MethodName.LoraGa, null, PlainLora.Exact, static _ => AdapterParts.Difference, static _ => [Rank, Alpha, Rslora]),
        new("BOFT", MethodName.Boft, PeftMethods.Boft, PlainLora.Approximated, AdapterParts.OfBoft, OfBoft),
        new("URNN", MethodName.Urnn, null, PlainLora.Approximated, AdapterParts.OfUrnn, OfUrnn),
        new("HYBRID", MethodName.Hybrid, null, PlainLora.Approximated, AdapterParts.OfHybrid,
            static _ => [Rank, Alpha, Rslora, Block, Factors, Eta, Granularity]),
    ];

    /// <summary>Whether each layer has a λ of its own.</summary>
    internal bool HasLayerLambda(MethodSpec method) =>
        Options(method).Contains(Granularity) && method.Lambda.Granularity == LambdaGranularity.Layer;
}
