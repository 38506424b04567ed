using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>A tensor's place in a flat buffer.</summary>
/// <param name="Name">Name in the adapter file (or the Hugging Face parameter name for full fine-tuning).</param>
/// <param name="Shape">Shape.</param>
/// <param name="Offset">First element; a multiple of 16, so that every view is 64-byte aligned.</param>
public sealed record ParameterSlot(string Name, long[] Shape, long Offset)
{
    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, static (a, b) => a * b);

    /// <summary>
    /// What kind of tensor it is: the last part of its name in an adapter's file (<c>lora_A</c>, <c>boft_R</c>), of base weights
    /// <c>weights</c> or <c>vectors</c>.
    /// </summary>
    public string Component { get; } = Name.StartsWith("base_model.", StringComparison.Ordinal)
        ? Name.Replace(".weight", "", StringComparison.Ordinal).Split('.')[^1]
        : Shape.Length >= 2 ? "weights" : "vectors";

    /// <summary>What a method says of it besides name and shape.</summary>
    internal SlotOptions Options { get; init; } = SlotOptions.None;

    /// <summary>Whether weight decay applies: two or more dimensions as stored.</summary>
    public bool Decays => Shape.Length >= 2;
}

/// <summary>What a method may say of one of its tensors: how it trains, and its form in adapter files.</summary>
internal sealed record SlotOptions
{
    /// <summary>A tensor of the default group, in files as in the buffer.</summary>
    internal static readonly SlotOptions None = new();

    /// <summary>Which learning rate applies.</summary>
    internal ParameterGroup Group { get; init; }

    /// <summary>Factor on AdamW's ε; not 1 where a gradient is a multiple of the one that other tools see.</summary>
    internal double EpsilonFactor { get; init; } = 1;

    /// <summary>Whether it holds indices below 2^24: int64 in the adapter file, exact as fp32 in the buffer.</summary>
    internal bool IsIndex { get; init; }

    /// <summary>Its form in adapter files, where that is another than in the buffer.</summary>
    internal StoredForm? Stored { get; init; }

    /// <summary>The tensor of the file that it begins as where the file does not have it.</summary>
    internal string? Substitute { get; init; }

    /// <summary>Whether a file may lack it: it begins as zeros then.</summary>
    internal bool MayLack { get; init; }
}

/// <summary>A parameter's form in adapter files.</summary>
/// <param name="Shape">Shape there.</param>
/// <param name="Write">From the buffer's form, <see cref="ParameterSlot.Shape"/>; a new tensor in the caller's scope.</param>
/// <param name="Read">Back to the buffer's form.</param>
internal sealed record StoredForm(
    long[] Shape,
    Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor> Write,
    Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor> Read
);

/// <summary>Where each tensor of a layer's version lies in its flat buffers.</summary>
public sealed record ParameterLayout
{
    /// <summary>Trainable tensors in buffer order.</summary>
    public required IReadOnlyList<ParameterSlot> Trainable { get; init; }

    /// <summary>Frozen method state in buffer order.</summary>
    public IReadOnlyList<ParameterSlot> Constants { get; init; } = [];

    /// <summary>Elements of the trainable buffer, padding included.</summary>
    public required long Size { get; init; }

    /// <summary>Elements of each optimizer moment: <see cref="Size"/> with AdamW, else 0.</summary>
    public required long OptimizerSize { get; init; }

    /// <summary>Elements of the buffer of constants.</summary>
    public long ConstantSize { get; init; }

    /// <summary>Number of λ values.</summary>
    public int LambdaCount { get; init; }
}
