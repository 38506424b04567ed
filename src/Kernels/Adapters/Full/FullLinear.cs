using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Full;

/// <summary>A linear whose weight trains: fp32 master in the version, products in the compute type.</summary>
internal sealed class FullLinear(LinearSite site, ShardContext context) : AdaptedLinear(site)
{
    private ParameterSlot weight = null!;
    private ParameterSlot? bias;

    internal override bool Trains => true;

    internal override long BaseBytes => 0;

    internal override void Declare(LayoutBuilder layout)
    {
        weight = layout.Trainable(Site.WeightName, [Site.Out, Site.In]);
        if (Site.HasBias) bias = layout.Trainable(Site.BiasName, [Site.Out]);
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var y = x.mm(pass.Version.Value(weight, context.Compute).t());
        return bias is null ? y : y.add_(pass.Version.Value(bias, context.Compute), One);
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
        var weightGradient = weight.View(gradient);
        if (context.Compute == ScalarType.Float32) weightGradient.addmm_(dy.t(), x);
        else weightGradient.add_(dy.t().mm(x), One);
        bias?.View(gradient).add_(dy.sum(0, type: ScalarType.Float32), One);
        if (!needsInput) return dx;
        var matrix = pass.Version.Value(weight, context.Compute);
        return dx is null ? dy.mm(matrix) : dx.addmm_(dy, matrix);
    }

    internal override Tensor? BackwardBase(Tensor x, Tensor dy, BaseGradientEstimate? estimate, Tensor? dx, bool needsInput) =>
        throw new NotSupportedException("full fine-tuning has no frozen base");

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        Fill(version, weight);
        if (bias is not null) Fill(version, bias);
    }

    internal override Tensor Merged(LayerVersion version) => weight.View(version.Parameters).clone();

    internal override Tensor? Bias(LayerVersion version) => bias?.View(version.Parameters).clone();

    public override void Dispose()
    {
    }

    private void Fill(LayerVersion version, ParameterSlot slot)
    {
        using var scope = NewDisposeScope();
        using var value = context.Weights.Read(slot.Name, slot.Shape, ScalarType.Float32);
        slot.View(version.Parameters).copy_(value);
    }
}
