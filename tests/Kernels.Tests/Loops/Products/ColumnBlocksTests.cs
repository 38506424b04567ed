using Peft.Orleans.Kernels.Loops.Products;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Products;

/// <summary>
/// Products by blocks of columns against float64, and bit by bit against themselves: held in bf16 and in fp32, with one thread and with
/// several.
/// </summary>
public sealed class ColumnBlocksTests
{
    /// <summary>
    /// Rows, columns of the result, terms of its sums: one block and several, a last one that is narrower, sums in one and in several
    /// parts.
    /// </summary>
    public static TheoryData<int, int, int> Shapes =>
        new() { { 1, 192, 64 }, { 65, 2304, 64 }, { 7, 2312, 640 }, { 33, 2304, 1000 }, { 64, 576, 1288 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_is_that_of_the_formula_whatever_the_matrix_is_held_in(int rows, int columns, int sum)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (x, half) = (Random(1, rows, sum), Random(2, columns, sum).to(ScalarType.BFloat16));
        var single = half.to(ScalarType.Float32);
        foreach (var threads in Threads(x, single, columns))
        {
            var product = ColumnBlocks.Product(x, single, threads);
            Within(Float64(x).mm(Float64(single).t()), product);
            Assert.True(
                product.equal(ColumnBlocks.Product(x, half, threads)).all().item<bool>(),
                $"other bits in bf16 on {threads} threads");
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Input_gradient_is_made_and_added_whatever_the_matrix_is_held_in(int rows, int columns, int sum)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (dy, half, before) = (Random(1, rows, sum), Random(2, sum, columns).to(ScalarType.BFloat16), Random(3, rows, columns));
        var single = half.to(ScalarType.Float32);
        var expected = Float64(dy).mm(Float64(single));
        foreach (var threads in Threads(dy, single, columns))
        {
            var made = ColumnBlocks.InputGradient(dy, single, null, threads);
            Within(expected, made);
            Assert.True(
                made.equal(ColumnBlocks.InputGradient(dy, half, null, threads)).all().item<bool>(),
                $"other bits in bf16 on {threads} threads");
            var (added, addedHalf) = (before.clone(), before.clone());
            ColumnBlocks.InputGradient(dy, single, added, threads);
            ColumnBlocks.InputGradient(dy, half, addedHalf, threads);
            Within(expected.add(Float64(before)), added);
            Assert.True(added.equal(addedHalf).all().item<bool>(), $"other bits in bf16 on {threads} threads, added");
        }
    }

    [Fact]
    public void More_threads_do_not_change_bits_while_the_blocks_are_the_same()
    {
        using var scope = NewDisposeScope();
        var (x, w, dy) = (Random(1, 65, 1000), Random(2, 2304, 1000), Random(3, 65, 1000));
        var (product, gradient) = (ColumnBlocks.Product(x, w, 1), ColumnBlocks.InputGradient(dy, w.t().contiguous(), null, 1));
        foreach (var threads in new[] { 2, 3 })
        {
            Assert.True(product.equal(ColumnBlocks.Product(x, w, threads)).all().item<bool>(), $"product: other bits on {threads} threads");
            Assert.True(
                gradient.equal(ColumnBlocks.InputGradient(dy, w.t().contiguous(), null, threads)).all().item<bool>(),
                $"gradient: other bits on {threads} threads");
        }
    }

    [Theory]
    [InlineData(576, 2, true)] // two blocks of 288
    [InlineData(576, 4, false)]
    [InlineData(1536, 8, true)]
    [InlineData(1536, 5, false)]
    [InlineData(49152, 60, true)]
    [InlineData(1540, 2, false)] // no whole vectors
    public void A_product_is_taken_where_all_threads_have_blocks_to_its_end(int columns, int threads, bool taken)
    {
        using var scope = NewDisposeScope();
        var (x, w) = (empty(4, 64), empty(columns, 64));
        Assert.Equal(taken, ColumnBlocks.Fit(x, w, columns, threads));
        Assert.False(ColumnBlocks.Fit(x.to(ScalarType.BFloat16), w, columns, threads));
        Assert.False(ColumnBlocks.Fit(x, w.to(ScalarType.Float16), columns, threads));
        Assert.False(ColumnBlocks.Fit(empty(64, 4).t(), w, columns, threads));
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(37, 72)]
    [InlineData(700, 576)]
    public void Widening_is_exact(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var from = Random(1, rows, columns).to(ScalarType.BFloat16);
        var to = full([rows, columns], float.NaN);
        Assert.True(Widening.Fit(from));
        Widening.Copy(from, to);
        Assert.True(to.equal(from.to(ScalarType.Float32)).all().item<bool>());
    }

    private static int[] Threads(Tensor rows, Tensor matrix, int columns)
    {
        int[] taken = [.. new[] { 1, 2, 3 }.Where(threads => ColumnBlocks.Fit(rows, matrix, columns, threads))];
        Assert.NotEmpty(taken);
        return taken;
    }

    private static Tensor Random(int seed, params long[] shape) => Tensors.Random(seed, ScalarType.Float32, shape);

    /// <summary>Sums of up to 1,288 terms rounded after each, √1288 · 2⁻²⁴ = 2e-6 of their size: relative to the largest.</summary>
    private static void Within(Tensor expected, Tensor actual)
    {
        var error = Float64(actual).sub(expected).abs().max().item<double>() / expected.abs().max().item<double>();
        Assert.True(error < 2e-6, $"off by {error} of the largest");
    }
}
