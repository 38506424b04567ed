using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>LoRA-GA: <c>y = W0 x + s (B A − B0 A0) x + bias</c>.</summary>
internal sealed class LoraGaLinear(LinearSite site, ShardContext context) : FrozenBaseLinear(site, context)
{
    private readonly LowRankDifference change = new(site, context);

    internal override bool Trains => true;

    internal override void Declare(LayoutBuilder layout) => change.Declare(layout);

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate) =>
        change.Initialize(version, seed, estimate);

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var hidden = change.Hidden(pass, x);
        var y = change.Product(pass, Weight, x, hidden, change.Scale);
        if (saved is not null) saved.Hidden = hidden.DetachFromDisposeScope();
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
        var dHidden = change.Backward(pass, x, saved.Hidden!, dy, gradient, change.Scale);
        return needsInput ? change.InputGradient(pass, Weight, x, dy, dx, dHidden) : dx;
    }

    internal override Tensor Merged(LayerVersion version)
    {
        var merged = Weight.Held.to(ScalarType.Float32, copy: true);
        change.AddTo(version, merged, change.Scale);
        return merged;
    }
}
