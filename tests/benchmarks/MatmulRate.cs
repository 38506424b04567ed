using System.Diagnostics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>Products of 2048³ in one type, in FLOP/s.</summary>
/// <param name="LibTorch">By libtorch itself: the yardstick of <c>share</c>.</param>
/// <param name="Blocks">By the block kernel, as our layers multiply; null where this processor or libtorch has none.</param>
internal readonly record struct ProductRate(double LibTorch, double? Blocks)
{
    /// <summary>The larger of the two: of libtorch's alone a step can be more than the whole, where that is slow.</summary>
    internal double Faster => Math.Max(LibTorch, Blocks ?? 0);

    /// <summary>Both shares, for a line of text; <paramref name="operations"/> per second.</summary>
    internal string Shares(double operations)
    {
        var shares = FormattableString.Invariant($"share {operations / LibTorch:F3}, of the faster product {operations / Faster:F3}");
        return $"{shares} (2048³: libtorch {Text(LibTorch)}, block kernel {Text(Blocks)})";
    }

    /// <summary>A rate for people.</summary>
    internal static string Text(double? rate) => rate is { } found ? FormattableString.Invariant($"{found / 1e9:F0} GFLOP/s") : "–";
}

/// <summary>Measures what a share is a share of: the best of a few products of 2048³ in the type the run multiplies in.</summary>
internal static class MatmulRate
{
    private const int N = 2048;

    /// <summary>
    /// Measured on a thread of its own: the OpenMP workers of a thread that lives on would count against those of the silo's device thread.
    /// </summary>
    internal static ProductRate Measure(ScalarType type, int products = 10)
    {
        var rate = default(ProductRate);
        var thread = new Thread(() => rate = Best(type, products));
        thread.Start();
        thread.Join();
        return rate;
    }

    private static ProductRate Best(ScalarType type, int products)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (a, b) = (rand(N, N).to(type), rand(N, N).to(type));
        return new ProductRate(
            Best(products, () => a.mm(b)),
            PackedBlocks.Fit(a, b, N) ? Best(products, () => PackedBlocks.Product(a, b, null, 1, TorchRuntime.Threads)) : null);
    }

    /// <summary>The first product is not counted.</summary>
    private static double Best(int products, Func<Tensor> multiply)
    {
        var best = double.MaxValue;
        for (var i = 0; i <= products; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var result = multiply();
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (i > 0) best = Math.Min(best, seconds);
        }

        return 2.0 * N * N * N / best;
    }
}
