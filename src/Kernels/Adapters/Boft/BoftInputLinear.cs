using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>BOFT on the input side, PEFT's convention: <c>y = s ⊙ (W0 (Rᵀ x)) + bias</c>, s trainable.</summary>
internal sealed class BoftInputLinear(LinearSite site, ShardContext context) : FrozenBaseLinear(site, context)
{
    private readonly TrainedRotation rotation = new(site, context, site.In);
    private readonly object gainKey = new();
    private ParameterSlot scale = null!;

    internal override bool Trains => true;

    internal override double? OrthogonalityError(LayerVersion version) => rotation.OrthogonalityError(version);

    internal override void Declare(LayoutBuilder layout)
    {
        rotation.Declare(layout);
        scale = layout.Trainable($"{Site.AdapterPrefix}.boft_s", [Site.Out, 1]);
    }

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        rotation.Initialize(version);
        scale.View(version.Parameters).fill_(Held(1));
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        Tensor z;
        using (var scope = NewDisposeScope())
        {
            var rotated = x.clone();
            rotation.AddDeviation(pass.Version, rotation.Arrange(x, stay: true), rotated, transposed: true);
            z = Weight.Product(rotated).MoveToOuterDisposeScope();
        }

        var y = z.addcmul(z, Gain(pass.Version), Held(1));
        if (saved is not null) saved.BaseOutput = z.DetachFromDisposeScope();
        else z.Dispose();
        return AddBias(y);
    }

    internal override Tensor? Backward(
        LinearPass pass,
        Tensor x,
        LinearSaved saved,
        Tensor dy,
        Tensor gradient,
        Tensor? dx,
        bool needsInput
    )
    {
        using var scope = NewDisposeScope();
        scale.View(gradient).add_(dy.mul(saved.BaseOutput!).sum(0, type: ScalarType.Float32).unsqueeze(1), One);
        var dRotated = Weight.InputGradient(dy.addcmul(dy, Gain(pass.Version), Held(1)), null);
        var arranged = rotation.Arrange(dRotated, stay: true);
        rotation.Accumulate(pass.Version, rotation.Arrange(x, stay: true), arranged, transposed: true, gradient);
        if (!needsInput) return dx;
        dx = dx is null ? dRotated.MoveToOuterDisposeScope() : dx.add_(dRotated, One);
        rotation.AddDeviation(pass.Version, arranged, dx, transposed: false);
        return dx;
    }

    internal override void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step) =>
        rotation.AfterStep(next);

    internal override Tensor Merged(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        // Rows of W0 Rᵀ are R times the rows of W0.
        var merged = Weight.Held.to(ScalarType.Float32, copy: true);
        rotation.MergeDeviation(version, merged, transposed: false);
        return merged.mul_(scale.View(version.Parameters)).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        rotation.Dispose();
        base.Dispose();
    }

    /// <summary>s − 1 <c>[d]</c>: apart from 1 small changes survive half types.</summary>
    private Tensor Gain(LayerVersion version) =>
        version.Derivatives().Tensor(gainKey, () => scale.View(version.Parameters).view(-1).sub(Held(1)).to(Compute));
}
