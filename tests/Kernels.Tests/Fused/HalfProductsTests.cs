using Peft.Orleans.Kernels.Fused;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Fused;

/// <summary>
/// Products of bf16 rows in our own loops against float64, and bit by bit against themselves on other numbers of threads: of results wide and narrow, made
/// and added, and of sums over tokens. On processors without bf16 products nothing of it is used.
/// </summary>
public sealed class HalfProductsTests
{
    /// <summary>Of a bf16's last place: rounding once is half of it, and an fp32 sum in another order may fall on the other side.</summary>
    private const double LastPlace = 1.0 / 128;

    /// <summary>Rows, columns of the result, terms of its sums: full and partial heights, one block, several, a last one that is narrower, sums that are no whole vectors.</summary>
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 32, 16, 2 }, { 33, 32, 34 }, { 47, 112, 96 }, { 64, 192, 576 }, { 65, 576, 192 }, { 128, 16, 576 }, { 127, 32, 1536 }, { 200, 1536, 70 }, { 257, 48, 16 }, { 96, 64, 4096 },
    };

    /// <summary>Tokens, rank, columns: one piece of tokens and several, full and partial, odd.</summary>
    public static TheoryData<int, int, int> Sums => new() { { 1, 16, 16 }, { 63, 16, 32 }, { 64, 32, 96 }, { 65, 16, 592 }, { 127, 48, 576 }, { 200, 16, 1536 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_is_made_and_added(int rows, int columns, int sum)
    {
        Require();
        using var scope = NewDisposeScope();
        var (x, w, before) = (Random(1, rows, sum), Random(2, columns, sum), Random(3, rows, columns));
        var expected = Float64(x).mm(Float64(w).t());
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (made, added) = (HalfBlocks.Product(x, w, null, 1, threads), before.clone());
            HalfBlocks.Product(x, w, added, 0.3f, threads);
            Within(expected, made, sum);
            Within(Float64(before).add(expected, 0.3), added, sum);
            Same(HalfBlocks.Product(x, w, null, 1, 1), made, threads);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Input_gradient_is_made_and_added(int rows, int columns, int sum)
    {
        Require();
        using var scope = NewDisposeScope();
        var (dy, w, before) = (Random(1, rows, sum), Random(2, sum, columns), Random(3, rows, columns));
        var expected = Float64(dy).mm(Float64(w));
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (made, added) = (HalfBlocks.InputGradient(dy, w, null, 0.3f, threads), before.clone());
            HalfBlocks.InputGradient(dy, w, added, 1, threads);
            Within(expected.mul(0.3), made, sum);
            Within(Float64(before).add(expected), added, sum);
            Same(HalfBlocks.InputGradient(dy, w, null, 0.3f, 1), made, threads);
        }
    }

    [Theory]
    [MemberData(nameof(Sums))]
    public void Sums_over_tokens_are_added_in_fp32(int tokens, int rank, int columns)
    {
        Require();
        using var scope = NewDisposeScope();
        var (left, right) = (Random(1, tokens, rank), Random(2, tokens, columns));
        var before = randn([rank, columns], ScalarType.Float32);
        var expected = before.to(ScalarType.Float64).add(Float64(left).t().mm(Float64(right)), 0.3);
        Tensor? first = null;
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (target, turned) = (before.clone(), before.t().contiguous());
            HalfOuter.Add(target, left, right, 0.3f, rankLast: false, threads);
            HalfOuter.Add(turned, left, right, 0.3f, rankLast: true, threads);
            // Sums of T products in fp32: T units in the last place at most of what is about √T large, an order of magnitude fewer on the whole.
            Assert.True(target.to(ScalarType.Float64).sub(expected).abs().max().item<double>() < 1e-6 * tokens + 1e-6, $"{threads} threads");
            Assert.True(turned.t().equal(target).all().item<bool>(), "the transposed target has other bits");
            first ??= target;
            Same(first, target, threads);
        }
    }

    [Fact]
    public void Rows_beside_a_row_do_not_change_its_bits()
    {
        Require();
        using var scope = NewDisposeScope();
        var (x, w) = (Random(1, 200, 576), Random(2, 192, 576));
        var all = HalfBlocks.Product(x, w, null, 1, 2);
        foreach (var rows in new[] { 32, 50, 64, 130 }) Same(all.narrow(0, 0, rows), HalfBlocks.Product(x.narrow(0, 0, rows), w, null, 1, 2), 2);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        var (x, w) = (Random(1, 64, 64), Random(2, 32, 64));
        Assert.Equal(HalfProducts.Found, HalfBlocks.Fit(x, w, 32));
        Assert.Equal(HalfProducts.Found, HalfOuter.Fit(w.t().contiguous(), x));
        Assert.False(HalfBlocks.Fit(x, w.to(ScalarType.Float32), 32));
        Assert.False(HalfBlocks.Fit(x.to(ScalarType.Float16), w.to(ScalarType.Float16), 32));
        Assert.False(HalfBlocks.Fit(x.narrow(0, 0, 31), w, 32));
        Assert.False(HalfBlocks.Fit(x.t(), w, 32));
        Assert.False(HalfBlocks.Fit(x, w.narrow(0, 0, 24), 24));
        Assert.False(HalfBlocks.Fit(Random(1, 64, 63), Random(2, 32, 63), 32));
        Assert.False(HalfOuter.Fit(x.narrow(1, 0, 8).contiguous(), x));
        Assert.False(HalfOuter.Fit(x.narrow(1, 0, 16), x));
    }

    private static void Require() => Assert.SkipUnless(HalfProducts.Found, "SKIPPED: this processor has no bf16 products (AVX512-BF16 without AMX), or libtorch no kernel for them");

    private static Tensor Random(long seed, params long[] shape) => randn(shape, ScalarType.Float32, generator: new Generator((ulong)seed)).to(ScalarType.BFloat16);

    private static Tensor Float64(Tensor value) => value.to(ScalarType.Float64);

    /// <summary>Half a last place of the result, and what an fp32 sum of so many products of about 1 may be off before it is rounded.</summary>
    private static void Within(Tensor expected, Tensor actual, int sum)
    {
        Assert.Equal(ScalarType.BFloat16, actual.dtype);
        var allowed = expected.abs().mul(LastPlace / 2).add(1e-6 * sum);
        Assert.True(Float64(actual).sub(expected).abs().sub(allowed).max().item<double>() <= 0, $"off by {Float64(actual).sub(expected).abs().sub(allowed).max().item<double>():g3} more than allowed");
    }

    private static void Same(Tensor expected, Tensor actual, int threads) => Assert.True(expected.equal(actual).all().item<bool>(), $"other bits on {threads} threads");
}
