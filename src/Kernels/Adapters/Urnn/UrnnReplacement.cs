using System.Diagnostics;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>
/// Mode <c>replace</c> (Alg. 1, line 7): <c>y = Ũ x + bias</c> in place of a square weight, which is not loaded. The pretrained function is
/// lost.
/// </summary>
internal sealed class UrnnReplacement : AdaptedLinear
{
    private readonly UnitaryMap map;
    private readonly ScalarType compute;
    private readonly Device device;
    private readonly Tensor? bias;

    internal UrnnReplacement(LinearSite site, ShardContext context) : base(site)
    {
        map = UnitaryMap.Of(site, context);
        compute = context.Compute;
        device = context.Device;
        if (site.HasBias) bias = context.Weights.Read(site.BiasName, [site.Out], compute);
    }

    internal override bool Trains => true;

    internal override long BaseBytes => bias is null ? 0 : bias.numel() * bias.element_size();

    internal override double? UnitarityError(LayerVersion version) => map.UnitarityError(version);

    internal override void Declare(LayoutBuilder layout) => map.Declare(layout);

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate) => map.Initialize(version, seed);

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var mapped = map.Map(pass.Version, x);
        // A copy: the caller writes into what it gets.
        var y = mapped.to(compute, copy: true);
        if (saved is not null) saved.Hidden = mapped.DetachFromDisposeScope();
        else mapped.Dispose();
        return bias is null ? y : y.add_(bias, One);
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
        using var own = map.Backward(pass.Version, x, saved.Hidden!, dy, gradient, needsInput);
        if (own is null) return dx;
        return dx is null ? own.to(compute, copy: true) : dx.add_(own, One);
    }

    internal override Tensor? BackwardBase(Tensor x, Tensor dy, BaseGradientEstimate? estimate, Tensor? dx, bool needsInput) =>
        throw new UnreachableException("this method asks for no gradient of the base");

    internal override void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step) =>
        map.AfterStep(current, next, gradient, step);

    internal override Tensor Merged(LayerVersion version)
    {
        using var identity = eye(Site.In, -1, ScalarType.Float32, device);
        return map.Merge(version, identity);
    }

    internal override Tensor? Bias(LayerVersion version) => bias?.to(ScalarType.Float32, copy: true);

    public override void Dispose() => bias?.Dispose();
}
