using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>BOFT on the output side, as in the paper's Hybrid: <c>y = R (W0 x) + bias</c>, <c>ΔW = (R − I) W0</c>.</summary>
internal sealed class BoftOutputLinear(LinearSite site, ShardContext context) : FrozenBaseLinear(site, context)
{
    private readonly TrainedRotation rotation = new(site, context, site.Out);

    internal override bool Trains => true;

    internal override double? OrthogonalityError(LayerVersion version) => rotation.OrthogonalityError(version);

    internal override void Declare(LayoutBuilder layout) => rotation.Declare(layout);

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate) => rotation.Initialize(version);

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var y = Weight.Product(x);
        var arranged = rotation.Arrange(y);
        Finish(pass, arranged, y);
        if (saved is { KeepsBaseOutput: true }) saved.BaseOutput = arranged.DetachFromDisposeScope();
        else arranged.Dispose();
        return y;
    }

    internal override bool RepeatsOutput => true;

    internal override Tensor OutputAgain(LinearPass pass, LinearSaved saved) =>
        Finish(pass, saved.BaseOutput!, rotation.Restore(saved.BaseOutput!));

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
        var arranged = rotation.Arrange(dy, stay: true);
        rotation.Accumulate(pass.Version, saved.BaseOutput ?? rotation.Arrange(Weight.Product(x)), arranged, transposed: false, gradient);
        if (!needsInput) return dx;
        var dz = dy.clone();
        rotation.AddDeviation(pass.Version, arranged, dz, transposed: true);
        return Weight.InputGradient(dz, dx);
    }

    internal override void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step) =>
        rotation.AfterStep(next);

    internal override Tensor Merged(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        var merged = Weight.Held.to(ScalarType.Float32, copy: true);
        // Columns are the rows of the transpose.
        rotation.MergeDeviation(version, merged.t(), transposed: false);
        return merged.MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        rotation.Dispose();
        base.Dispose();
    }

    /// <summary>From the base output: y, in place.</summary>
    private Tensor Finish(LinearPass pass, Tensor arranged, Tensor y)
    {
        rotation.AddDeviation(pass.Version, arranged, y, transposed: false);
        return AddBias(y);
    }
}
