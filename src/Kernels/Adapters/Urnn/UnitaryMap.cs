using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>
/// A trainable unitary map on C^(n/2), n even, neighbours paired: an orthogonal map Ũ on R^n that is the identity at step 0. Rows are
/// <c>[T, n]</c> in any floating type.
/// </summary>
internal abstract class UnitaryMap
{
    /// <summary>Declares its tensors in the layer's buffers.</summary>
    internal abstract void Declare(LayoutBuilder layout);

    /// <summary>Writes the values of version 0.</summary>
    internal abstract void Initialize(LayerVersion version, long seed);

    /// <summary><c>x → x Ũᵀ</c>, a new tensor.</summary>
    internal abstract Tensor Map(LayerVersion version, Tensor x);

    /// <summary>
    /// Adds the gradient of its parameters to the flat buffer; with <paramref name="needsInput"/> returns dL/dx in fp32 or the type of
    /// <paramref name="dMapped"/>.
    /// </summary>
    internal abstract Tensor? Backward(LayerVersion version, Tensor x, Tensor mapped, Tensor dMapped, Tensor gradient, bool needsInput);

    /// <summary>Rows of <c>W Ũ</c> for rows of W, fp32.</summary>
    internal abstract Tensor Merge(LayerVersion version, Tensor rows);

    /// <summary>As <see cref="AdaptedLinear.AfterStep"/>.</summary>
    internal virtual void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step)
    {
    }

    /// <summary>As <see cref="AdaptedLinear.UnitarityError"/>; null where it is unitary by its making.</summary>
    internal virtual double? UnitarityError(LayerVersion version) => null;

    /// <summary>The map that a run file asks for.</summary>
    internal static UnitaryMap Of(LinearSite site, ShardContext context) => context.Method.Urnn.Kind == UrnnKind.Structured
        ? new StructuredMap(site)
        : new DenseMap(site, context.Setup);
}
