using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.None;

/// <summary>A frozen linear without an adapter.</summary>
internal sealed class PlainLinear(LinearSite site, ShardContext context) : FrozenBaseLinear(site, context)
{
    internal override bool Trains => false;

    internal override void Declare(LayoutBuilder layout)
    {
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved) => AddBias(Weight.Product(x));

    internal override Tensor? Backward(
        LinearPass pass,
        Tensor x,
        LinearSaved saved,
        Tensor dy,
        Tensor gradient,
        Tensor? dx,
        bool needsInput
    ) => needsInput ? Weight.InputGradient(dy, dx) : dx;

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
    }

    internal override Tensor Merged(LayerVersion version) => Weight.Held.to(ScalarType.Float32, copy: true);
}
