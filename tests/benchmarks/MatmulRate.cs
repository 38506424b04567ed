using System.Diagnostics;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>The yardstick of <c>share</c>: the best of a few products of 2048³ in the type the run multiplies in, in FLOP/s.</summary>
internal static class MatmulRate
{
    /// <summary>Measured on a thread of its own: the OpenMP workers of a thread that lives on would count against those of the silo's device thread.</summary>
    internal static double Measure(ScalarType type, int products = 10)
    {
        var rate = 0.0;
        var thread = new Thread(() => rate = Best(type, products));
        thread.Start();
        thread.Join();
        return rate;
    }

    private static double Best(ScalarType type, int products)
    {
        const int N = 2048;
        using var scope = NewDisposeScope();
        using var a = rand(N, N).to(type);
        using var b = rand(N, N).to(type);
        var best = double.MaxValue;
        for (var i = 0; i <= products; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var c = a.mm(b);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (i > 0) best = Math.Min(best, seconds);
        }

        return 2.0 * N * N * N / best;
    }
}
