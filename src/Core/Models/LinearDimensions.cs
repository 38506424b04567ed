namespace Peft.Orleans.Core.Models;

/// <summary>What a linear module does in its decoder block: plan and memory ask for this, never for a family's module names.</summary>
public enum LinearRole
{
    /// <summary>Makes queries.</summary>
    Query,

    /// <summary>Makes keys.</summary>
    Key,

    /// <summary>Makes values.</summary>
    Value,

    /// <summary>Makes queries, keys and values at once.</summary>
    QueryKeyValue,

    /// <summary>Projects what attention found back to the hidden size.</summary>
    Output,

    /// <summary>Makes the gate of a gated MLP.</summary>
    Gate,

    /// <summary>Widens the hidden rows to the MLP's width.</summary>
    Up,

    /// <summary>Projects the MLP's rows back to the hidden size.</summary>
    Down,
}

/// <summary>Sizes of a linear module that every decoder block has.</summary>
/// <param name="Name">Last part of its module's name, which <c>target_modules</c> names: <c>q_proj</c>.</param>
/// <param name="Out">Rows of its weight.</param>
/// <param name="In">Columns of its weight.</param>
/// <param name="HasBias">Whether it has a bias of <paramref name="Out"/> elements.</param>
/// <param name="Role">What it does.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.LinearDimensions")]
public sealed record LinearDimensions(string Name, int Out, int In, bool HasBias, LinearRole Role)
{
    /// <summary>Its module's name within its block: <c>self_attn.q_proj</c>.</summary>
    [Id(0)] public string Module { get; init; } = Name;

    /// <summary>Elements of its weight.</summary>
    public long Elements => (long)Out * In;

    /// <summary>Elements of its weight and bias.</summary>
    public long Parameters => Elements + (HasBias ? Out : 0);
}
