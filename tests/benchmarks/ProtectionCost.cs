using System.Diagnostics;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// The steady cost of passive seats, copies and hashes: the same run on two silos with <c>elastic.protect</c> true and false, a block of
/// steps of the one, then of the other, in pairs whose order alternates. A block ends when its last step is stable, so that no copy is left
/// uncounted.
/// </summary>
internal static class ProtectionCost
{
    internal static async Task Run(BenchmarkOptions options)
    {
        TorchRuntime.Initialize(options.Threads);
        var method = options.Text("method", "lora");
        var steps = options.Number("steps", 3);
        await using var on = await PacedRun.Start(options, method, protect: true);
        await using var off = await PacedRun.Start(options, method, protect: false);
        await on.Block(2);
        await off.Block(2);
        var measured = new List<(double On, double Off)>();
        for (var pair = 0; pair < options.Number("rounds", 30); pair++)
        {
            double onSeconds = 0, offSeconds = 0;
            for (var turn = 0; turn < 2; turn++)
            {
                var first = (turn + pair) % 2 == 0;
                var start = Stopwatch.GetTimestamp();
                await (first ? on : off).Block(steps);
                var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (first) onSeconds = seconds;
                else offSeconds = seconds;
            }

            measured.Add((onSeconds, offSeconds));
        }

        var perStep = PairedRatio.MedianOf([.. measured.Select(static pair => pair.Off).Order()]) / steps;
        Console.WriteLine(FormattableString.Invariant(
            $"{method} on {options.Title}, 2 × {options.Tokens} tokens, two silos of {options.Threads} threads, {steps} steps a block"));
        Console.WriteLine(FormattableString.Invariant($"{perStep:F3} s per step unprotected"));
        Console.WriteLine($"protected / unprotected: {PairedRatio.Of(measured)}");
    }
}
