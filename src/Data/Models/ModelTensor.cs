namespace Peft.Orleans.Data.Models;

/// <summary>What a base tensor is: how it is initialised where there is no file, and how it is held, follow from this.</summary>
public enum TensorKind
{
    /// <summary>Matrix of a linear module <c>[out, in]</c>.</summary>
    LinearWeight,

    /// <summary>Bias of a linear module <c>[out]</c>.</summary>
    LinearBias,

    /// <summary>Token embedding <c>[vocabulary, hidden]</c>.</summary>
    Embedding,

    /// <summary>Head <c>[vocabulary, hidden]</c>.</summary>
    Head,

    /// <summary>Scale of a norm <c>[hidden]</c>: begins as 1.</summary>
    NormWeight,

    /// <summary>Shift of a norm <c>[hidden]</c>: begins as 0.</summary>
    NormBias,
}

/// <summary>A base tensor of a model.</summary>
/// <param name="Name">Hugging Face name; in a description of all blocks without the block's prefix.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Kind">What it is.</param>
public sealed record ModelTensor(string Name, long[] Shape, TensorKind Kind);
