using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// Steps of several methods, each through a real silo in a process of its own, interleaved step by step: ratios to the first method are of
/// neighbours in time, and peak memory is one method's alone. A method may name how its weights are held, <c>lora:float32</c>. Product
/// rates are measured before each step, so that a share is one of neighbours in time too: on a shared machine they change by half within a
/// minute. They are measured here and not in the silo's process, whose peak memory their matrices would raise. With
/// <c>--before PROGRAM</c>, the benchmarks of another build, each method takes turns with itself as that build has it; with <c>--models
/// DIR,DIR</c> each model has each method, and steps are compared by what they must compute at least.
/// </summary>
internal static class StepSuite
{
    /// <summary>Begins a line that the suite reads; a silo's own log goes past it.</summary>
    internal const string Mark = "@ ";

    /// <summary>Products of 2048³ between two steps: the best of three is a tenth off at most.</summary>
    private const int RateProducts = 3;

    internal static void Run(BenchmarkOptions options)
    {
        var methods = options.List("methods", "lora");
        var rounds = options.Number("rounds", 15);
        var workers = new List<Worker>();
        using var models = new BenchmarkModels();
        TorchRuntime.Initialize(options.Threads);
        try
        {
            var folders = options.List("models", options.Model).Select(folder => models.WithWeights(folder, options)).ToArray();
            foreach (var (model, method) in folders.SelectMany(_ => methods, static (model, method) => (model, method)))
            {
                string[] args = ["--model", model, .. options.Args];
                var label = folders.Length == 1 ? method : $"{Path.GetFileName(model)} {method}";
                if (options.Text("before", "") is { Length: > 0 } former) workers.Add(new Worker(method, $"{label} before", args, former));
                workers.Add(new Worker(method, label, args, null));
            }

            for (var warm = 0; warm < BenchmarkOptions.WarmSteps; warm++)
                foreach (var worker in workers) worker.Step();
            var times = workers.ToDictionary(static worker => worker, static _ => new List<double>());
            var rates = workers.ToDictionary(static worker => worker, static _ => new List<ProductRate>());
            for (var round = 0; round < rounds; round++)
            {
                // The order turns round, so that no method always follows the same one.
                for (var i = 0; i < workers.Count; i++)
                {
                    var worker = workers[(i + round) % workers.Count];
                    rates[worker].Add(MatmulRate.Measure(worker.Products, RateProducts));
                    times[worker].Add(worker.Step());
                }
            }

            Console.WriteLine($"{string.Join(", ", folders.Select(Path.GetFileName))}, {options.Size}, {rounds} rounds");
            Console.WriteLine();
            var first = workers[0];
            string[] columns =
            [
                "method", "s per step", "2048³ by libtorch", "by the block kernel",
                "share (95 % interval)", "of the faster (95 % interval)",
                $"step / {first.Label} (95 % interval)", "per parameter (95 % interval)", "peak memory", $"/ {first.Label}", "last loss",
            ];
            Console.WriteLine($"| {string.Join(" | ", columns)} |");
            Console.WriteLine($"|{string.Concat(Enumerable.Repeat("---|", columns.Length))}");
            var peaks = workers.ToDictionary(
                static worker => worker,
                static worker => double.Parse(worker.Ask("peak"), CultureInfo.InvariantCulture));
            foreach (var worker in workers)
            {
                string[] figures =
                [
                    worker.Label,
                    FormattableString.Invariant($"{PairedRatio.MedianOf([.. times[worker].Order()]):F3}"),
                    ProductRate.Text(Median(rates[worker], static rate => rate.LibTorch)),
                    ProductRate.Text(Median(rates[worker], static rate => rate.Blocks)),
                    Share(worker, rates[worker], times[worker], static rate => rate.LibTorch).Interval,
                    Share(worker, rates[worker], times[worker], static rate => rate.Faster).Interval,
                    PairedRatio.Of([.. times[worker].Zip(times[first])]).Interval,
                    PairedRatio.Of([.. times[worker].Zip(times[first], (a, b) => (a / worker.Operations, b / first.Operations))]).Interval,
                    FormattableString.Invariant($"{peaks[worker]:F0} MB"),
                    FormattableString.Invariant($"{peaks[worker] / peaks[first]:F2}"),
                    FormattableString.Invariant($"{worker.Loss:F4}"),
                ];
                Console.WriteLine($"| {string.Join(" | ", figures)} |");
            }
        }
        finally
        {
            foreach (var worker in workers) worker.Dispose();
        }
    }

    private static PairedRatio Share(Worker worker, List<ProductRate> rates, List<double> times, Func<ProductRate, double> rate) =>
        PairedRatio.Of([.. rates.Zip(times).Select(pair => (worker.Operations, rate(pair.First) * pair.Second))]);

    private static double? Median(List<ProductRate> rates, Func<ProductRate, double?> rate) =>
        rates.Select(rate).OfType<double>().Order().ToArray() is { Length: > 0 } found ? PairedRatio.MedianOf(found) : null;

    private sealed class Worker : IDisposable
    {
        private readonly Process process;

        /// <param name="method">The method's label.</param>
        /// <param name="label">What it is called in the table.</param>
        /// <param name="args">The suite's own arguments.</param>
        /// <param name="former">The benchmarks of another build, or null for this one.</param>
        internal Worker(string method, string label, string[] args, string? former)
        {
            Method = method;
            Label = label;
            var start = new ProcessStartInfo(former ?? Environment.ProcessPath!)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            };
            var (name, dtype) = method.Split(':') is [var plain, var type] ? (plain, new[] { "--dtype", type }) : (method, []);
            string[] arguments = ["--method", name, .. dtype, .. args];
            foreach (var argument in arguments.Prepend("worker")) start.ArgumentList.Add(argument);
            Products = new BenchmarkOptions(arguments).ProductScalar;
            process = Process.Start(start)!;
            Operations = double.Parse(Read(), CultureInfo.InvariantCulture);
        }

        internal string Method { get; }

        internal string Label { get; }

        internal ScalarType Products { get; }

        internal double Operations { get; }

        internal double Loss { get; private set; }

        internal double Step()
        {
            var parts = Ask("step").Split(' ');
            Loss = double.Parse(parts[1], CultureInfo.InvariantCulture);
            return double.Parse(parts[0], CultureInfo.InvariantCulture);
        }

        internal string Ask(string what)
        {
            process.StandardInput.WriteLine(what);
            process.StandardInput.Flush();
            return Read();
        }

        public void Dispose()
        {
            process.StandardInput.Close();
            if (!process.WaitForExit(TimeSpan.FromSeconds(30))) process.Kill();
            process.Dispose();
        }

        private string Read()
        {
            while (process.StandardOutput.ReadLine() is { } line)
            {
                if (line.StartsWith(Mark, StringComparison.Ordinal)) return line[Mark.Length..];
            }

            throw new InvalidOperationException($"the process of method {Method} ended early; its message is above");
        }
    }
}
