using Peft.Orleans.Kernels.Loops.Rows;
using Peft.Orleans.Kernels.Models.Blocks;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Rows;

/// <summary>Our own loops against the same formulas from libtorch in float64; results are right to the rounding of their type.</summary>
public sealed class RowLoopTests
{
    public static TheoryData<ScalarType> Types => new(ScalarType.Float32, ScalarType.BFloat16);

    [Theory]
    [MemberData(nameof(Types))]
    public void RmsNorm_and_its_gradient_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (x, dh, residual) = (Random(type, 37, 72), Random(type, 37, 72), Random(type, 37, 72));
        var weight = Random(ScalarType.Float32, 72);
        var (inverse, rows) = NormLoops.Forward(x, weight, 1e-5);
        var x64 = x.to(ScalarType.Float64).requires_grad_();
        var expected = x64.mul(x64.square().mean([1], keepdim: true).add(1e-5).rsqrt()).mul(weight.to(ScalarType.Float64));
        Close(expected, rows, type);
        Assert.True(NormLoops.Apply(x, inverse, weight).equal(rows).all().item<bool>());
        torch.autograd.backward([expected], [dh.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        Close(x64.grad!, NormLoops.Backward(dh, x, inverse, weight, null), type);
        Close(x64.grad!.add(residual.to(ScalarType.Float64)), NormLoops.Backward(dh, x, inverse, weight, residual), type);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void LayerNorm_and_its_gradient_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (x, dh, residual) = (Random(type, 37, 72).add_(3), Random(type, 37, 72), Random(type, 37, 72));
        var (weight, bias) = (Random(ScalarType.Float32, 72), Random(ScalarType.Float32, 1, 72).view(72));
        var (statistics, rows) = LayerNormLoops.Forward(x, weight, bias, 1e-5);
        var x64 = x.to(ScalarType.Float64).requires_grad_();
        var expected = nn.functional.layer_norm(x64, [72], Float64(weight), Float64(bias), 1e-5);
        // Sums of two or three terms, each rounded, and larger than it.
        Close(expected, rows, type, roundings: 4);
        Assert.True(LayerNormLoops.Apply(x, statistics, weight, bias).equal(rows).all().item<bool>());
        torch.autograd.backward([expected], [dh.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        var expectedGradient = x64.grad!;
        Close(expectedGradient, LayerNormLoops.Backward(dh, x, statistics, weight, null), type, roundings: 4);
        expectedGradient = expectedGradient.add(Float64(residual));
        Close(expectedGradient, LayerNormLoops.Backward(dh, x, statistics, weight, residual), type, roundings: 4);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Gelu_and_its_gradient_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (x, d) = (Random(type, 19, 4088).mul_(4), Random(type, 19, 4088));
        x.narrow(1, 0, 1).fill_(-95);
        x.narrow(1, 1, 1).fill_(95);
        var x64 = x.to(ScalarType.Float64).requires_grad_();
        var inner = x64.add(x64.pow(3).mul(0.044715)).mul(Math.Sqrt(2 / Math.PI));
        var expected = x64.mul(inner.tanh().add(1)).mul(0.5);
        Close(expected, GeluLoops.Forward(x), type);
        torch.autograd.backward([expected], [d.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        // A difference, where x is below 0, of two terms that are larger than it.
        Close(x64.grad!, GeluLoops.Backward(x, d.clone()), type, roundings: 4);
        // Where there are no loops, as on a graphics processor: rows of another width.
        var (odd, gradient) = (x.narrow(1, 0, 99).contiguous(), d.narrow(1, 0, 99).contiguous());
        Close(expected.narrow(1, 0, 99), Gelu.Forward(odd), type);
        Close(x64.grad!.narrow(1, 0, 99), Gelu.Backward(odd, gradient), type, roundings: 4);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Swiglu_and_its_gradients_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (gate, up, d) = (Random(type, 19, 4096).mul_(4), Random(type, 19, 4096), Random(type, 19, 4096));
        gate.narrow(1, 0, 1).fill_(-95);
        gate.narrow(1, 1, 1).fill_(95);
        var (g64, u64) = (gate.to(ScalarType.Float64).requires_grad_(), up.to(ScalarType.Float64).requires_grad_());
        var expected = nn.functional.silu(g64).mul(u64);
        Close(expected, GateLoops.Forward(gate, up), type);
        torch.autograd.backward([expected], [d.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        var (dGate, dUp) = GateLoops.Backward(gate, up, d.clone());
        Close(g64.grad!, dGate, type);
        Close(u64.grad!, dUp, type);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Cross_entropy_and_its_gradient_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var logits = Random(type, 21, 4808).mul_(5);
        var targets = arange(21, ScalarType.Int64).mul_(229);
        var expected = logits.to(ScalarType.Float64).log_softmax(-1);
        var loss = -expected.gather(1, targets.unsqueeze(1)).sum().item<double>();
        var gradient = expected.exp().scatter_add_(1, targets.unsqueeze(1), full([21, 1], -1, ScalarType.Float64));
        Assert.Equal(loss, CrossEntropyLoops.Loss(logits.clone(), targets, gradient: false), loss * 1e-6);
        Assert.Equal(loss, CrossEntropyLoops.Loss(logits, targets, gradient: true), loss * 1e-6);
        Close(gradient, logits, type);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Wide_vectors_change_no_bit(ScalarType type)
    {
        // Of rows of one narrow vector nothing is wide, of rows of seven all but the last.
        using var scope = NewDisposeScope();
        var (gate, up, d) = (Random(type, 5, 56).mul_(3), Random(type, 5, 56), Random(type, 5, 56));
        Tensor[] Cut(Tensor rows) => [.. rows.split(8, 1).Select(static part => part.contiguous())];
        Assert.True(GateLoops.Forward(gate, up).equal(cat([.. Cut(gate).Zip(Cut(up), GateLoops.Forward)], 1)).all().item<bool>());
        var (dGate, dUp) = GateLoops.Backward(gate, up, d.clone());
        var parts = Cut(gate).Zip(Cut(up), Cut(d)).Select(static part => GateLoops.Backward(part.First, part.Second, part.Third)).ToArray();
        Assert.True(dGate.equal(cat([.. parts.Select(static part => part.Gate)], 1)).all().item<bool>());
        Assert.True(dUp.equal(cat([.. parts.Select(static part => part.Up)], 1)).all().item<bool>());
    }

    [Fact]
    public void What_is_not_a_number_stays_so()
    {
        using var scope = NewDisposeScope();
        var gate = full([1, 8], float.NaN, ScalarType.BFloat16);
        Assert.True(GateLoops.Forward(gate, ones_like(gate)).to(ScalarType.Float32).isnan().all().item<bool>());
        Assert.True(double.IsNaN(CrossEntropyLoops.Loss(gate, zeros(1, ScalarType.Int64), gradient: false)));
    }

    private static Tensor Random(ScalarType type, params long[] shape) => Tensors.Random(shape.Sum(), type, shape);
}
