using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters.Boft;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>Butterfly rotations by themselves: rows, gradients, orthogonality.</summary>
public class ButterflyRotationTests
{
    /// <summary>n, b, m: one factor, odd blocks, dense groups, and groups so large that factors are applied one by one.</summary>
    public static TheoryData<int, int, int> Sizes =>
        new()
        {
            { 12, 3, 1 },
            { 48, 8, 2 },
            { 64, 4, 3 },
            { 128, 4, 6 },
            { 96, 6, 5 },
            { 256, 2, 8 },
        };

    [Theory, MemberData(nameof(Sizes))]
    public void Rows_are_rotated_as_by_the_dense_matrix_and_so_are_gradients(int size, int block, int factors)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        foreach (var eta in new[] { 1.0, 0.5 })
        {
            using var rotation = new ButterflyRotation(
                "module",
                size,
                new BoftSpec
                {
                    BlockSize = block,
                    ButterflyFactors = factors,
                    Eta = eta,
                },
                CPU
            );
            var theta = randn(rotation.ParameterShape, generator: generator).mul_(0.3);
            var (x, dy) = (randn([5, size], generator: generator), randn([5, size], generator: generator));
            using var composed = rotation.Compose(theta);
            var parameter = theta.to(float64).detach().requires_grad_();
            var dense = DenseButterfly.Of(parameter, size, block, eta);
            foreach (var transposed in new[] { false, true })
            {
                var matrix = transposed ? dense : dense.t(); // rows: y = x Rᵀ, or x R
                var expected = x.to(float64).mm(matrix);
                var y = x.clone();
                rotation.AddDeviation(composed, rotation.Arrange(x), y, transposed);
                Compare.Within(y, expected, 2e-5);
                // Half of the way, and back.
                var half = x.clone();
                rotation.AddDeviation(composed, rotation.Arrange(x), half, transposed, 0.5);
                Compare.Within(half, (expected + x) / 2, 2e-5);
                var back = y.clone();
                rotation.AddDeviation(composed, rotation.Arrange(y), back, !transposed);
                Compare.Within(back, x, 2e-5);

                parameter.grad?.zero_();
                (expected * dy).sum().backward(create_graph: false, retain_graph: true);
                var gradient = rotation.Gradient(composed, rotation.Arrange(x), rotation.Arrange(dy), transposed, 2);
                Compare.Close("gradient", gradient, parameter.grad! * 2, 2e-5);
            }
        }
    }

    [Fact]
    public void A_group_of_65536_positions_needs_no_matrix_of_that_size()
    {
        // Such a matrix would take 16 GiB.
        using var scope = NewDisposeScope();
        using var rotation = new ButterflyRotation("module", 65536, new BoftSpec { BlockSize = 8, ButterflyFactors = 14 }, CPU);
        using var composed = rotation.Compose(randn(rotation.ParameterShape).mul_(0.1));
        var x = randn(2, 65536);
        var y = x.clone();
        rotation.AddDeviation(composed, rotation.Arrange(x), y, transposed: false);
        Assert.True(Compare.Distance(x, y) > 0.1 * Compare.Norm(x));
        Assert.Equal(Compare.Norm(x), Compare.Norm(y), 1e-4 * Compare.Norm(x));
    }

    [Theory]
    [InlineData(BoftParameterization.Cayley)]
    [InlineData(BoftParameterization.Projection)]
    public void Blocks_stay_orthogonal_for_a_thousand_steps_while_the_loss_falls(BoftParameterization parameterization)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(9);
        const int Size = 48;
        var options = new BoftSpec { BlockSize = 4, ButterflyFactors = 3, Parameterization = parameterization };
        using var rotation = new ButterflyRotation("module", Size, options, CPU);
        var parameters = zeros(rotation.ParameterShape);
        rotation.Orthogonal.Start(parameters);
        var (x, target) = (randn([40, Size], generator: generator), randn([40, Size], generator: generator));
        var (first, last) = (0.0, 0.0);
        for (var step = 0; step < 1000; step++)
        {
            using var inner = NewDisposeScope();
            using var composed = rotation.Compose(parameters);
            var arranged = rotation.Arrange(x);
            var y = x.clone();
            rotation.AddDeviation(composed, arranged, y, transposed: false);
            var error = y - target;
            last = error.square().sum().item<float>();
            if (step == 0) first = last;
            var gradient = rotation.Gradient(composed, arranged, rotation.Arrange(error), transposed: false);
            parameters.sub_(gradient * (0.1 / gradient.norm().item<float>()));
            rotation.Orthogonal.AfterStep("module", parameters);
        }

        using var final = rotation.Compose(parameters);
        Assert.InRange(rotation.Orthogonal.OrthogonalityError(final.Blocks), 0, 1e-5);
        Assert.True(last < 0.95 * first, $"{first} became {last}");
    }

    [Fact]
    public void Projection_finds_the_polar_factor_whatever_the_scale()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        using var projected = new ProjectedBlocks(5, CPU);
        foreach (var scale in new[] { 1.0, 100.0, 1e-3 })
        {
            var blocks = randn([7, 5, 5], generator: generator);
            var (u, _, vt) = linalg.svd(blocks.to(float64));
            Compare.Within(projected.Project("module", blocks.mul(scale)), u.bmm(vt), 1e-5);
        }

        Assert.Contains("up_proj", Assert.Throws<PeftException>(() => projected.Project("up_proj", zeros(2, 5, 5))).Message);
    }

    [Theory]
    [InlineData(5, 1, "q_proj")]
    [InlineData(3, 2, "block_size even")]
    [InlineData(8, 3, "multiple of")]
    public void Sizes_that_do_not_divide_are_refused_with_module_and_numbers(int block, int factors, string part)
    {
        var options = new BoftSpec { BlockSize = block, ButterflyFactors = factors };
        var message = Assert
            .Throws<PeftException>(() => new ButterflyRotation("model.layers.0.self_attn.q_proj", 48, options, CPU))
            .Message;
        Assert.Contains(part, message);
        Assert.Contains("q_proj", message);
        Assert.Contains("48", message);
    }
}
