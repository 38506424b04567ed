using System.Diagnostics;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>A step through a silo and the same step in a bare loop, in one process, in pairs whose order alternates.</summary>
internal static class PairedSteps
{
    internal static async Task Run(BenchmarkOptions options)
    {
        TorchRuntime.Initialize(options.Threads);
        var method = options.Text("method", "lora");
        var spec = options.Spec(method);
        // The bare loop estimates no gradient.
        spec = BenchmarkOptions.WithoutEstimate(spec);
        var batch = options.Batch();
        var rate = MatmulRate.Measure(options.ProductScalar);
        using var bare = new BareLoop(spec);
        await using var silo = await SiloPath.Open(spec, options.Threads, batch);
        for (var warm = 1; warm <= BenchmarkOptions.WarmSteps; warm++)
        {
            bare.Step(warm, batch);
            await silo.Step(warm, batch);
        }

        var measured = new List<(double Silo, double Bare)>();
        for (var pair = 0; pair < options.Number("rounds", 30); pair++)
        {
            double siloSeconds = 0, bareSeconds = 0;
            for (var turn = 0; turn < 2; turn++)
            {
                var start = Stopwatch.GetTimestamp();
                if ((turn + pair) % 2 == 0)
                {
                    await silo.Step(BenchmarkOptions.WarmSteps + 1 + pair, batch);
                    siloSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                }
                else
                {
                    bare.Step(BenchmarkOptions.WarmSteps + 1 + pair, batch);
                    bareSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                }
            }

            measured.Add((siloSeconds, bareSeconds));
        }

        var seconds = PairedRatio.MedianOf([.. measured.Select(static pair => pair.Silo).Order()]);
        var bareMedian = PairedRatio.MedianOf([.. measured.Select(static pair => pair.Bare).Order()]);
        Console.WriteLine($"{method} on {options.Title}, {options.Size}");
        Console.WriteLine(FormattableString.Invariant(
            $"seconds per step through the silo: {seconds:F3} (bare loop {bareMedian:F3}), {options.Tokens / seconds:F0} tokens/s"));
        Console.WriteLine(rate.Shares(options.StepOperations(method) / seconds));
        Console.WriteLine($"silo / bare loop: {PairedRatio.Of(measured)}");
    }
}
