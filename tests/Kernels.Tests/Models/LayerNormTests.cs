using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using Peft.Orleans.Tests;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>LayerNorm alone against libtorch's in float64: far from the origin too, where a difference of squares would cancel.</summary>
public class LayerNormTests
{
    private const double Epsilon = 1e-5;

    [Theory]
    [InlineData(ScalarType.Float32, 0, 1e-6)]
    [InlineData(ScalarType.Float32, 100, 1e-4)]
    [InlineData(ScalarType.BFloat16, 0, 1e-2)]
    public void Rows_and_gradients(ScalarType type, double offset, double limit)
    {
        LayerNormFamily.Register();
        using var scope = NewDisposeScope();
        using var model = new TinyModel(shifts: true);
        var setup = RunSetup.Of(Specs.Full(model.Folder));
        var method = AdapterMethods.Of(setup.Method);
        var context = new ShardContext(
            setup, method, new WeightSource(setup.Model, setup.Seed, mayBeRandom: false, CPU), ScalarType.Float32, ScalarType.Float32, CPU);
        var norm = (LayerNorm)new LayerNormFamily().Norm(context, [.. setup.Model.Tensors(1).Take(2)]);
        var builder = new LayoutBuilder();
        foreach (var tensor in norm.Tensors) tensor.Declare(builder);
        var layout = builder.Build(moments: false);
        using var version = new LayerVersion(layout, CPU);
        foreach (var tensor in norm.Tensors) tensor.Initialize(version);

        var random = new Random(3);
        var (x, dh, residual) = (Rows(random, offset, type), Rows(random, 0, type), Rows(random, 0, type));
        var exact = x.to(ScalarType.Float64).requires_grad_();
        var weight = model.Weights["model.layers.0.input_layernorm.weight"].requires_grad_();
        var bias = model.Weights["model.layers.0.input_layernorm.bias"].requires_grad_();
        var expected = nn.functional.layer_norm(exact, [TinyModel.Hidden], weight, bias, Epsilon);
        expected.mul(dh.to(ScalarType.Float64)).sum().backward();

        var (statistics, rows) = norm.Forward(version, x);
        Assert.Equal(type, rows.dtype);
        Compare.Close("rows", rows, expected, limit);
        Assert.True(norm.Apply(version, x, statistics).eq(rows).all().item<bool>());
        var gradient = zeros(layout.Size, float32);
        Compare.Close(
            "dx",
            norm.Backward(version, dh, x, statistics, gradient, residual),
            exact.grad! + residual.to(ScalarType.Float64),
            limit
        );
        Compare.Close("dw", norm.Tensors[0].Gradient(gradient)!, weight.grad!, limit);
        Compare.Close("db", norm.Tensors[1].Gradient(gradient)!, bias.grad!, limit);
    }

    private static Tensor Rows(Random random, double offset, ScalarType type)
    {
        double[] values = [.. Enumerable.Range(0, 7 * TinyModel.Hidden).Select(_ => offset + TinyModel.Normal(random))];
        return tensor(values, [7, TinyModel.Hidden], dtype: float64).to(type);
    }
}
