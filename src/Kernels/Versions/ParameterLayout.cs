namespace Peft.Orleans.Kernels.Versions;

/// <summary>A tensor's place in a flat buffer.</summary>
/// <param name="Name">Name in the adapter file (or the Hugging Face parameter name for full fine-tuning).</param>
/// <param name="Shape">Shape.</param>
/// <param name="Offset">First element; a multiple of 16, so that every view is 64-byte aligned.</param>
/// <param name="Group">Which learning rate applies.</param>
public sealed record ParameterSlot(string Name, long[] Shape, long Offset, ParameterGroup Group = ParameterGroup.Default)
{
    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, static (a, b) => a * b);

    /// <summary>Whether it holds indices below 2^24: int64 in the adapter file, exact as fp32 in the buffer.</summary>
    public bool IsIndex { get; init; }

    /// <summary>Factor on AdamW's ε; not 1 where a gradient is a multiple of the one that other tools see.</summary>
    public double EpsilonFactor { get; init; } = 1;

    /// <summary>Its form in adapter files, where that is another than in the buffer.</summary>
    internal StoredForm? Stored { get; init; }

    /// <summary>Whether weight decay applies: two or more dimensions as stored.</summary>
    public bool Decays => Shape.Length >= 2;
}

/// <summary>A parameter's form in adapter files.</summary>
/// <param name="Shape">Shape there.</param>
/// <param name="Write">From the buffer's form, <see cref="ParameterSlot.Shape"/>; a new tensor in the caller's scope.</param>
/// <param name="Read">Back to the buffer's form.</param>
internal sealed record StoredForm(long[] Shape, Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor> Write, Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor> Read);

/// <summary>Parameter groups with their own learning rate.</summary>
public enum ParameterGroup
{
    /// <summary><c>training.optimizer.learning_rate</c>.</summary>
    Default,

    /// <summary><c>training.optimizer.boft_learning_rate</c>.</summary>
    Rotation,
}

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
