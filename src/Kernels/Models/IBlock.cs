using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>The role in the middle of a pass: a decoder block.</summary>
public interface IBlock
{
    /// <summary>
    /// Rows in, rows out; <paramref name="saved"/> is null when no backward pass follows (<paramref name="save"/> false).
    /// </summary>
    Tensor Forward(LayerVersion version, Tensor x, BatchShape batch, PassContext pass, bool save, out ISavedActivations? saved);

    /// <summary>
    /// Returns dL/dx (null unless <see cref="LayerShard.NeedsInputGradient"/>) and adds the trainable gradient to
    /// <paramref name="gradient"/>, flat fp32 <c>[Layout.Size]</c>.
    /// </summary>
    Tensor? Backward(LayerVersion version, ISavedActivations saved, Tensor dy, Tensor gradient);

    /// <summary>
    /// Forward for generation: the cache holds keys and values of the positions seen so far and is appended to. All rows have equal length.
    /// </summary>
    Tensor ForwardCached(LayerVersion version, Tensor x, KeyValueCache cache);

    /// <summary>Starts accumulating the base gradient that LoRA-GA's initialisation needs; null when this layer needs none.</summary>
    BaseGradientEstimate? BeginGradientEstimate();

    /// <summary>
    /// As <see cref="Backward"/>, through the frozen base only, adding this sample's base gradients to <paramref name="estimate"/>.
    /// </summary>
    Tensor? BackwardEstimate(ISavedActivations saved, Tensor dy, BaseGradientEstimate? estimate);
}

/// <summary>What a microbatch's forward pass leaves for its backward pass in one block.</summary>
public interface ISavedActivations : IDisposable
{
    /// <summary>Bytes held.</summary>
    long Bytes { get; }
}
