using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>Mode <c>compose</c>: <c>y = W0 (Ũ x) + bias</c>; the base's own function at step 0.</summary>
internal sealed class UrnnLinear(LinearSite site, ShardContext context) : FrozenBaseLinear(site, context)
{
    private const long MergedRows = 4096;

    private readonly UnitaryMap map = UnitaryMap.Of(site, context);

    internal override bool Trains => true;

    internal override double? UnitarityError(LayerVersion version) => map.UnitarityError(version);

    internal override void Declare(LayoutBuilder layout) => map.Declare(layout);

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate) => map.Initialize(version, seed);

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var mapped = map.Map(pass.Version, x);
        var y = Weight.Product(mapped.to(Compute));
        if (saved is not null) saved.Hidden = mapped.DetachFromDisposeScope();
        else mapped.Dispose();
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
        using var dMapped = Weight.InputGradient(dy, null);
        using var own = map.Backward(pass.Version, x, saved.Hidden!, dMapped, gradient, needsInput);
        if (own is null) return dx;
        return dx is null ? own.to(Compute, copy: true) : dx.add_(own, One);
    }

    internal override void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step) =>
        map.AfterStep(current, next, gradient, step);

    internal override Tensor Merged(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        var w = Weight.Held.to(ScalarType.Float32, copy: true);
        for (var row = 0L; row < Site.Out; row += MergedRows)
        {
            using var inner = NewDisposeScope();
            var part = w.narrow(0, row, Math.Min(MergedRows, Site.Out - row));
            part.copy_(map.Merge(version, part));
        }

        return w.MoveToOuterDisposeScope();
    }
}
