using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>The rotation of one BOFT module and its place in the layer's buffers and files.</summary>
internal sealed class TrainedRotation(LinearSite site, ShardContext context, long size) : IDisposable
{
    private readonly BoftSpec options = context.Method.Boft;
    private readonly ButterflyRotation rotation = new(site.Name, size, context.Method.Boft, context.Device);
    private readonly object key = new();

    private ParameterSlot Slot { get; set; } = null!;

    internal void Declare(LayoutBuilder layout)
    {
        var shape = rotation.ParameterShape;
        if (rotation.Orthogonal is not CayleyBlocks cayley)
        {
            Slot = layout.Trainable($"{site.AdapterPrefix}.boft_C", shape);
        }
        else if (BoftMethod.FormOf(options) == BoftForm.Own)
        {
            Slot = layout.Trainable($"{site.AdapterPrefix}.boft_theta", shape, new SlotOptions { MayLack = true });
        }
        else
        {
            // PEFT's gradient is that of an unconstrained R, half of θ's: with twice the ε both walk the same path.
            var form = new StoredForm([.. shape[..2], options.BlockSize, options.BlockSize], cayley.ToSkew, cayley.FromUnconstrained);
            Slot = layout.Trainable($"{site.AdapterPrefix}.boft_R", shape, new SlotOptions { Stored = form, EpsilonFactor = 2 });
        }
    }

    internal void Initialize(LayerVersion version) => rotation.Orthogonal.Start(Slot.View(version.Parameters));

    internal double OrthogonalityError(LayerVersion version) => rotation.Orthogonal.OrthogonalityError(Composed(version).Blocks);

    internal Tensor Arrange(Tensor rows, bool stay = false) => rotation.Arrange(rows, stay);

    internal Tensor Restore(Tensor arranged) => rotation.Restore(arranged);

    internal void AddDeviation(LayerVersion version, Tensor arranged, Tensor target, bool transposed) =>
        rotation.AddDeviation(Composed(version), arranged, target, transposed);

    /// <summary>As <see cref="AddDeviation"/>, for fp32 rows to be merged, whatever type the passes compute in.</summary>
    internal void MergeDeviation(LayerVersion version, Tensor rows, bool transposed)
    {
        using var composed = rotation.Compose(Slot.View(version.Parameters));
        rotation.AddDeviation(composed, rotation.Arrange(rows), rows, transposed);
    }

    internal void Accumulate(LayerVersion version, Tensor arranged, Tensor arrangedGradient, bool transposed, Tensor gradient)
    {
        using var sum = Slot.View(gradient);
        rotation.Accumulate(Composed(version), arranged, arrangedGradient, transposed, sum);
    }

    internal void AfterStep(LayerVersion next)
    {
        using var scope = NewDisposeScope();
        rotation.Orthogonal.AfterStep(site.Name, Slot.View(next.Parameters));
    }

    public void Dispose() => rotation.Dispose();

    private ComposedRotation Composed(LayerVersion version) =>
        version
            .Derivatives()
            .Object(key, () => rotation.Compose(Slot.View(version.Parameters), context.Compute));
}
