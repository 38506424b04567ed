using System.Diagnostics;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>One method's silo, which makes a step for every line that asks for one.</summary>
internal static class StepWorker
{
    internal static async Task Run(BenchmarkOptions options)
    {
        TorchRuntime.Initialize(options.Threads);
        var method = options.Text("method", "lora");
        await using var silo = await SiloPath.Open(options.Spec(method), options.Threads, options.Batch());
        Say($"{options.StepOperations(method):R}");
        var batch = options.Batch();
        var step = 0;
        // Where other processes take turns with this one, its processor's time tells what a step costs, and the clock does not.
        var ofProcess = options.Text("clock", "wall") == "processor";
        while (await Console.In.ReadLineAsync() is { } line)
        {
            switch (line)
            {
                case "step":
                    var (start, used) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
                    var loss = await silo.Step(++step, batch);
                    var taken = ofProcess ? Environment.CpuUsage.TotalTime - used : Stopwatch.GetElapsedTime(start);
                    Say(FormattableString.Invariant($"{taken.TotalSeconds:R} {loss:R}"));
                    break;
                case "peak":
                    using (var self = Process.GetCurrentProcess()) Say(FormattableString.Invariant($"{self.PeakWorkingSet64 / 1e6:F1}"));
                    break;
            }
        }
    }

    private static void Say(FormattableString text) => Say(FormattableString.Invariant(text));

    private static void Say(string text)
    {
        Console.WriteLine(StepSuite.Mark + text);
        Console.Out.Flush();
    }
}
