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
        while (await Console.In.ReadLineAsync() is { } line)
        {
            switch (line)
            {
                case "step":
                    var start = Stopwatch.GetTimestamp();
                    var loss = await silo.Step(++step, batch);
                    var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                    Say(FormattableString.Invariant($"{seconds:R} {loss:R}"));
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
