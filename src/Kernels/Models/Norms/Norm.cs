using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Norms;

/// <summary>
/// A norm over rows <c>[T, hidden]</c>, computed in fp32. Its statistics, fp32 with a row for each of x, are all that a backward pass needs
/// besides x: the normalised rows are made again from them.
/// </summary>
internal abstract class Norm(params BaseTensor[] tensors)
{
    /// <summary>Its weights, in the order of the layer's buffers.</summary>
    internal IReadOnlyList<BaseTensor> Tensors => tensors;

    /// <summary>Whether its weights train.</summary>
    internal bool Trains => Array.Exists(tensors, static tensor => tensor.Trains);

    /// <summary>The statistics of x, and its normalised rows in x's type.</summary>
    internal abstract (Tensor Statistics, Tensor Rows) Forward(LayerVersion version, Tensor x);

    /// <summary>The normalised rows, again.</summary>
    internal abstract Tensor Apply(LayerVersion version, Tensor x, Tensor statistics);

    /// <summary>
    /// dL/dx, plus <paramref name="residual"/>, in x's type; adds the weights' gradients to <paramref name="gradient"/>, the layer's flat
    /// buffer, where they train.
    /// </summary>
    internal abstract Tensor Backward(
        LayerVersion version,
        Tensor dh,
        Tensor x,
        Tensor statistics,
        Tensor? gradient,
        Tensor? residual = null
    );
}
