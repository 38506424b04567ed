using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Data.Models;

/// <summary>A linear module's place in a model.</summary>
/// <param name="Name">Hugging Face module name: <c>model.layers.3.self_attn.q_proj</c>; in a description of all blocks
/// <c>self_attn.q_proj</c>.</param>
/// <param name="Out">Rows of its weight.</param>
/// <param name="In">Columns of its weight.</param>
/// <param name="HasBias">Whether it has a bias.</param>
/// <param name="Role">What it does in its block.</param>
public sealed record LinearSite(string Name, long Out, long In, bool HasBias, LinearRole Role)
{
    /// <summary>Last part of the name, which <c>method.target_modules</c> names.</summary>
    public string Suffix => Name[(Name.LastIndexOf('.') + 1)..];

    /// <summary>What the names of its adapter's tensors begin with.</summary>
    public string AdapterPrefix => $"base_model.model.{Name}";

    /// <summary>Name of its weight <c>[out, in]</c>.</summary>
    public string WeightName => $"{Name}.weight";

    /// <summary>Name of its bias <c>[out]</c>.</summary>
    public string BiasName => $"{Name}.bias";

    /// <summary>Its sizes, for plan and memory; of a module named without its block's prefix.</summary>
    public LinearDimensions Dimensions => new(Suffix, checked((int)Out), checked((int)In), HasBias, Role) { Module = Name };
}
