using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Products;

/// <summary>
/// Products of rows with an arranged matrix against float64, and bit by bit against themselves on other numbers of threads: of results wide
/// and narrow, made and added, and of sums over tokens. On processors that do not multiply a type so nothing of it is used.
/// </summary>
public sealed class PackedBlocksTests
{
    private static readonly (string Name, ScalarType Rows, ScalarType Held)[] Types =
    [
        ("bf16", ScalarType.BFloat16, ScalarType.BFloat16),
        ("fp32", ScalarType.Float32, ScalarType.Float32),
        ("fp32 with bf16", ScalarType.Float32, ScalarType.BFloat16),
    ];

    // Rows, columns of the result, terms of its sums: full and partial heights, one block, several, a last one that is narrower, more rows
    // than a thread takes at a time, sums that are no whole vectors, and sums in one and in several parts.
    private static readonly (int Rows, int Columns, int Sum)[] Sizes =
    [
        (32, 16, 2), (33, 32, 34), (47, 112, 96), (64, 192, 576), (65, 576, 192), (128, 16, 576),
        (127, 32, 1536), (200, 1536, 70), (257, 48, 16), (96, 64, 4096), (40, 96, 7000), (600, 64, 34),
    ];

    public static TheoryData<string, int, int, int> Shapes
    {
        get
        {
            var data = new TheoryData<string, int, int, int>();
            foreach (var (name, _, _) in Types)
            {
                foreach (var (rows, columns, sum) in Sizes) data.Add(name, rows, columns, sum);
            }

            return data;
        }
    }

    /// <summary>Tokens, rank, columns: one piece of tokens and several, full and partial, odd.</summary>
    public static TheoryData<bool, int, int, int> Sums
    {
        get
        {
            var data = new TheoryData<bool, int, int, int>();
            (int, int, int)[] sizes = [(1, 16, 16), (63, 16, 32), (64, 32, 96), (65, 16, 592), (127, 48, 576), (200, 16, 1536)];
            foreach (var half in new[] { false, true })
            {
                foreach (var (tokens, rank, columns) in sizes) data.Add(half, tokens, rank, columns);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_is_made_and_added(string type, int rows, int columns, int sum)
    {
        var (of, held) = Require(type);
        using var scope = NewDisposeScope();
        var (x, w, before) = (Random(1, of, rows, sum), Random(2, held, columns, sum), Random(3, of, rows, columns));
        Assert.True(PackedBlocks.Fit(x, w, columns));
        var expected = Float64(x).mm(Float64(w).t());
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (made, added) = (PackedBlocks.Product(x, w, null, 1, threads), before.clone());
            PackedBlocks.Product(x, w, added, 0.3f, threads);
            Within(expected, made, sum);
            Within(Float64(before).add(expected, 0.3), added, sum);
            Same(PackedBlocks.Product(x, w, null, 1, 1), made, $"{threads} threads");
            if (of != held) Same(PackedBlocks.Product(x, w.to(of), null, 1, threads), made, "a matrix held in fp32");
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Input_gradient_is_made_and_added(string type, int rows, int columns, int sum)
    {
        var (of, held) = Require(type);
        using var scope = NewDisposeScope();
        var (dy, w, before) = (Random(1, of, rows, sum), Random(2, held, sum, columns), Random(3, of, rows, columns));
        Assert.True(PackedBlocks.Fit(dy, w, columns));
        var expected = Float64(dy).mm(Float64(w));
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (made, added) = (PackedBlocks.InputGradient(dy, w, null, 0.3f, threads), before.clone());
            PackedBlocks.InputGradient(dy, w, added, 1, threads);
            Within(expected.mul(0.3), made, sum);
            Within(Float64(before).add(expected), added, sum);
            Same(PackedBlocks.InputGradient(dy, w, null, 0.3f, 1), made, $"{threads} threads");
            if (of != held) Same(PackedBlocks.InputGradient(dy, w.to(of), null, 0.3f, threads), made, "a matrix held in fp32");
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_low_rank_term_is_added_before_the_sum_is_rounded(string type, int rows, int columns, int sum)
    {
        const int Rank = 10;
        var (of, held) = Require(type);
        using var scope = NewDisposeScope();
        var (x, hidden, before) = (Random(1, of, rows, sum), Random(2, of, rows, Rank), Random(3, of, rows, columns));
        var (w, up, down) = (Random(4, held, columns, sum), Random(5, of, columns, Rank), Random(6, of, Rank, columns));
        var expected = Float64(x).mm(Float64(w).t()).add(Float64(hidden).mm(Float64(up).t()), 0.3);
        var expectedGradient = Float64(before).add(Float64(x).mm(Float64(w.t())), 1).add(Float64(hidden).mm(Float64(down)), 0.3);
        var turned = w.t().contiguous();
        Assert.True(PackedBlocks.Fit(x, new LowRankTerm(hidden, up, 0.3f)));
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (made, added) = (PackedBlocks.Product(x, w, new LowRankTerm(hidden, up, 0.3f), threads), before.clone());
            PackedBlocks.InputGradient(x, turned, added, new LowRankTerm(hidden, down, 0.3f), threads);
            Within(expected, made, sum);
            Within(expectedGradient, added, sum);
            Same(PackedBlocks.Product(x, w, new LowRankTerm(hidden, up, 0.3f), 1), made, $"{threads} threads");
        }
    }

    [Theory]
    [MemberData(nameof(Sums))]
    public void Sums_over_tokens_are_added_in_fp32(bool half, int tokens, int rank, int columns)
    {
        var (type, _) = Require(half ? "bf16" : "fp32");
        using var scope = NewDisposeScope();
        var (left, right) = (Random(1, type, tokens, rank), Random(2, type, tokens, columns));
        var before = Random(3, ScalarType.Float32, rank, columns);
        Assert.True(PackedOuter.Fit(left, right));
        var expected = Float64(before).add(Float64(left).t().mm(Float64(right)), 0.3);
        Tensor? first = null;
        foreach (var threads in new[] { 1, 2, 3 })
        {
            var (target, turned) = (before.clone(), before.t().contiguous());
            PackedOuter.Add(target, left, right, 0.3f, rankLast: false, threads);
            PackedOuter.Add(turned, left, right, 0.3f, rankLast: true, threads);
            Within(expected, target, tokens);
            Same(target, turned.t(), "a transposed target");
            first ??= target;
            Same(first, target, $"{threads} threads");
        }
    }

    [Theory]
    [InlineData("bf16")]
    [InlineData("fp32")]
    public void Rows_beside_a_row_do_not_change_its_bits(string type)
    {
        var (of, held) = Require(type);
        using var scope = NewDisposeScope();
        var (x, w) = (Random(1, of, 200, 576), Random(2, held, 192, 576));
        var all = PackedBlocks.Product(x, w, null, 1, 2);
        foreach (var rows in new[] { 32, 50, 64, 130 })
            Same(all.narrow(0, 0, rows), PackedBlocks.Product(x.narrow(0, 0, rows), w, null, 1, 2), $"{rows} rows");
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        foreach (var (of, found) in new[] { (ScalarType.BFloat16, BlockKernel.HasHalf), (ScalarType.Float32, BlockKernel.HasSingle) })
        {
            var (x, w) = (Random(1, of, 64, 64), Random(2, of, 32, 64));
            Assert.Equal(found, PackedBlocks.Fit(x, w, 32));
            Assert.Equal(found, PackedOuter.Fit(w.t().contiguous(), x));
            Assert.False(PackedBlocks.Fit(x, w.to(ScalarType.Float16), 32));
            Assert.False(PackedBlocks.Fit(x.narrow(0, 0, 31), w, 32));
            Assert.False(PackedBlocks.Fit(x.t(), w, 32));
            Assert.False(PackedBlocks.Fit(x, w.narrow(0, 0, 24), 24));
            Assert.False(PackedBlocks.Fit(Random(1, of, 64, 63), Random(2, of, 32, 63), 32));
            Assert.False(PackedOuter.Fit(x.narrow(1, 0, 8).contiguous(), x));
            Assert.False(PackedOuter.Fit(x.narrow(1, 0, 16), x));
        }

        Assert.False(PackedBlocks.Fit(Random(1, ScalarType.BFloat16, 64, 64), Random(2, ScalarType.Float32, 32, 64), 32));
    }

    private static (ScalarType Rows, ScalarType Held) Require(string name)
    {
        var (_, rows, held) = Types.Single(type => type.Name == name);
        const string Missing = "SKIPPED: this processor has no bf16 products (AVX512-BF16 without AMX), or libtorch no kernel for them";
        if (rows == ScalarType.BFloat16) Assert.SkipUnless(BlockKernel.HasHalf, Missing);
        else Assert.SkipUnless(BlockKernel.HasSingle, "SKIPPED: this processor has no AVX-512, or libtorch no kernel for fp32");
        return (rows, held);
    }
}
