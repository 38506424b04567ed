using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Rows;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Norms;

/// <summary>RMSNorm: <c>h = x · (mean x² + ε)^−½ · w</c>. Its statistics are 1 / rms, <c>[T, 1]</c>.</summary>
internal sealed class RmsNorm(BaseTensor weight, double epsilon) : Norm(weight)
{
    internal override (Tensor Statistics, Tensor Rows) Forward(LayerVersion version, Tensor x) =>
        Forward(x, weight.Value(version), epsilon);

    internal override Tensor Apply(LayerVersion version, Tensor x, Tensor statistics) => Apply(x, statistics, weight.Value(version));

    internal override Tensor Backward(
        LayerVersion version,
        Tensor dh,
        Tensor x,
        Tensor statistics,
        Tensor? gradient,
        Tensor? residual = null
    ) => Backward(dh, x, statistics, weight.Value(version), weight.Gradient(gradient), residual);

    private static (Tensor Inverse, Tensor Rows) Forward(Tensor x, Tensor weight, double epsilon)
    {
        if (Lanes.Fit(x, x.shape[1])) return NormLoops.Forward(x.contiguous(), weight, epsilon);
        var inverse = InverseRms(x, epsilon);
        return (inverse, Apply(x, inverse, weight));
    }

    private static Tensor InverseRms(Tensor x, double epsilon)
    {
        using var scope = NewDisposeScope();
        var norm = linalg.vector_norm(x.to(ScalarType.Float32), 2, [1], keepdim: true);
        return norm.Squared().div_(Held(x.shape[1])).add_(Held(epsilon), One).rsqrt_().MoveToOuterDisposeScope();
    }

    private static Tensor Apply(Tensor x, Tensor inverse, Tensor weight)
    {
        if (Lanes.Fit(x, x.shape[1])) return NormLoops.Apply(x, inverse, weight);
        if (x.dtype == ScalarType.Float32) return x.mul(inverse).mul_(weight);
        using var scope = NewDisposeScope();
        return x.to(ScalarType.Float32).mul_(inverse).mul_(weight).to(x.dtype).MoveToOuterDisposeScope();
    }

    private static Tensor Backward(Tensor dh, Tensor x, Tensor inverse, Tensor weight, Tensor? weightGradient, Tensor? residual)
    {
        using var scope = NewDisposeScope();
        if (weightGradient is not null)
            weightGradient.add_(x.to(ScalarType.Float32).mul(inverse).mul_(dh.to(ScalarType.Float32)).sum(dim: 0), One);
        if (Lanes.Fit(x, x.shape[1]))
            return NormLoops.Backward(dh.contiguous(), x.contiguous(), inverse, weight, residual?.contiguous()).MoveToOuterDisposeScope();
        var x32 = x.to(ScalarType.Float32);
        var dh32 = dh.to(ScalarType.Float32);
        // dx = r g − x r³ ⟨g, x⟩ / n with g = dh ⊙ w, r = 1 / rms.
        var g = dh32.mul(weight);
        var dot = g.mul(x32).sum(-1, keepdim: true); // [T, 1]
        var factor = dot.mul_(inverse).mul_(inverse).mul_(inverse).div_(Held(x.shape[1]));
        var dx = g.mul_(inverse).addcmul_(x32, factor, Held(-1)).to(x.dtype);
        return (residual is null ? dx : dx.add_(residual, One)).MoveToOuterDisposeScope();
    }
}
