using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Rows;
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
        if (Lanes.Fit(x, x.shape[1])) return LayerNormLoops.Forward(x.contiguous(), weight.Value(version), bias.Value(version), epsilon);
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
        if (Lanes.Fit(x, x.shape[1])) return LayerNormLoops.Apply(x.contiguous(), statistics, weight.Value(version), bias.Value(version));
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
        if (weight.Gradient(gradient) is { } weightGradient)
            weightGradient.add_(Normalised(x, statistics).mul_(dh.to(ScalarType.Float32)).sum(dim: 0), One);
        bias.Gradient(gradient)?.add_(dh.sum(0, type: ScalarType.Float32), One);
        if (Lanes.Fit(x, x.shape[1]))
            return LayerNormLoops.Backward(dh.contiguous(), x.contiguous(), statistics, weight.Value(version), residual?.contiguous())
                .MoveToOuterDisposeScope();
        // dx = (g − mean g − x̂ · mean(g ⊙ x̂)) / deviation with g = dh ⊙ w.
        var normalised = Normalised(x, statistics);
        var g = dh.to(ScalarType.Float32).mul(weight.Value(version));
        var along = g.mul(normalised).mean([1], keepdim: true); // [T, 1]
        var dx = g.sub(g.mean([1], keepdim: true)).sub_(normalised.mul_(along)).mul_(statistics.narrow(1, 1, 1)).to(x.dtype);
        return (residual is null ? dx : dx.add_(residual, One)).MoveToOuterDisposeScope();
    }

    /// <summary>x̂, a new fp32 tensor.</summary>
    private static Tensor Normalised(Tensor x, Tensor statistics) =>
        x.to(ScalarType.Float32).sub(statistics.narrow(1, 0, 1)).mul_(statistics.narrow(1, 1, 1));
}
