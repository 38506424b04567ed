using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Norms;

/// <summary>
/// LayerNorm: <c>h = x̂ ⊙ w + b</c>, <c>x̂ = (x − mean x) · (var x + ε)^−½</c>. Statistics are mean and inverse deviation, <c>[T, 2]</c>.
/// </summary>
internal sealed class LayerNorm(BaseTensor weight, BaseTensor bias, double epsilon) : Norm(weight, bias)
{
    internal override (Tensor Statistics, Tensor Rows) Forward(LayerVersion version, Tensor x)
    {
        using var scope = NewDisposeScope();
        var x32 = x.to(ScalarType.Float32);
        var mean = x32.mean([1], keepdim: true);
        // Of the centred rows: the difference of two large squares would cancel.
        var inverse = x32.sub(mean).Squared().mean([1], keepdim: true).add_(Held(epsilon), One).rsqrt_();
        var statistics = cat([mean, inverse], 1).MoveToOuterDisposeScope();
        return (statistics, Apply(version, x, statistics).MoveToOuterDisposeScope());
    }

    internal override Tensor Apply(LayerVersion version, Tensor x, Tensor statistics)
    {
        using var scope = NewDisposeScope();
        return Normalised(x, statistics).mul_(weight.Value(version)).add_(bias.Value(version), One).to(x.dtype).MoveToOuterDisposeScope();
    }

    internal override Tensor Backward(
        LayerVersion version,
        Tensor dh,
        Tensor x,
        Tensor statistics,
        Tensor? gradient,
        Tensor? residual = null
    )
    {
        using var scope = NewDisposeScope();
        var dh32 = dh.to(ScalarType.Float32);
        var normalised = Normalised(x, statistics);
        weight.Gradient(gradient)?.add_(normalised.mul(dh32).sum(dim: 0), One);
        bias.Gradient(gradient)?.add_(dh32.sum(dim: 0), One);
        // dx = (g − mean g − x̂ · mean(g ⊙ x̂)) / deviation with g = dh ⊙ w.
        var g = dh32.mul(weight.Value(version));
        var along = g.mul(normalised).mean([1], keepdim: true); // [T, 1]
        var dx = g.sub(g.mean([1], keepdim: true)).sub_(normalised.mul_(along)).mul_(statistics.narrow(1, 1, 1)).to(x.dtype);
        return (residual is null ? dx : dx.add_(residual, One)).MoveToOuterDisposeScope();
    }

    /// <summary>x̂, a new fp32 tensor.</summary>
    private static Tensor Normalised(Tensor x, Tensor statistics) =>
        x.to(ScalarType.Float32).sub(statistics.narrow(1, 0, 1)).mul_(statistics.narrow(1, 1, 1));
}
