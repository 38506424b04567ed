using System.Diagnostics;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>Where a step's time goes, by kind of operation and by operator.</summary>
internal static class StepProfile
{
    private static readonly (string Kind, string[] Operators)[] Kinds =
    [
        ("matrix products", ["mm", "addmm", "addmm_", "linear", "matmul", "addmv_", "mv"]),
        ("batched products (attention, rotations)", ["bmm", "baddbmm", "baddbmm_", "bmm_"]),
        ("copies and casts",
        [
            "copy_", "_to_copy", "clone", "cat", "index_select", "gather", "index_copy_", "fill_", "zero_", "zeros", "zeros_like",
            "scatter_add_", "full", "index_add_", "_index_put_impl_",
        ]),
        ("element by element",
        [
            "mul", "mul_", "add", "add_", "sub", "sub_", "div", "div_", "addcmul", "addcmul_", "exp_", "rsqrt_", "rsqrt", "neg", "square",
            "pow", "pow_", "sigmoid", "eq", "complex", "cos", "sin", "conj_physical", "maximum", "reciprocal",
        ]),
        ("softmax", ["_softmax", "_log_softmax"]),
        ("silu and its gradient", ["silu", "silu_", "silu_backward", "silu_backward_out"]),
        ("sums", ["sum", "mean", "max", "amax", "all"]),
        ("Fourier transforms", ["_fft_c2c", "fft_fft_", "fft_ifft", "fft_fft"]),
        ("inverses",
        [
            "linalg_inv", "linalg_inv_ex", "inverse", "linalg_solve_ex", "_linalg_solve_ex", "linalg_lu_factor_ex", "linalg_lu_solve",
        ]),
        ("optimizer", ["_fused_adamw_"]),
        ("memory and views",
        [
            "empty", "empty_like", "empty_strided", "narrow", "slice", "view", "_unsafe_view", "reshape", "transpose", "t", "permute",
            "as_strided", "expand", "unsqueeze", "squeeze", "alias", "detach", "select", "resize_", "contiguous", "_reshape_alias",
            "view_as_real", "view_as_complex", "flatten", "to", "imag", "conj", "resolve_conj", "split",
        ]),
    ];

    internal static async Task Run(BenchmarkOptions options)
    {
        var steps = options.Number("rounds", 5);
        TorchRuntime.Initialize(options.Threads);
        var method = options.Text("method", "lora");
        var batch = options.Batch();
        var rate = MatmulRate.Measure(options.ProductScalar);
        await using var silo = await SiloPath.Open(options.Spec(method), options.Threads, batch);
        const int Warm = BenchmarkOptions.WarmSteps;
        for (var step = 1; step <= Warm; step++) await silo.Step(step, batch);
        var plain = Stopwatch.GetTimestamp();
        for (var step = 0; step < steps; step++) await silo.Step(Warm + 1 + step, batch);
        var unobserved = Stopwatch.GetElapsedTime(plain).TotalSeconds / steps;
        // Of one compute thread its processor time: all that the process spends, less what goes by outside steps.
        var ofThread = OperatorClock.OfThread = options.Text("clock", "wall") == "processor";
        using var self = Process.GetCurrentProcess();
        var handle = OperatorClock.Begin();
        LoopClock.Begin();
        var spent = self.TotalProcessorTime;
        var start = Stopwatch.GetTimestamp();
        for (var step = 0; step < steps; step++) await silo.Step(Warm + 1 + steps + step, batch);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / steps;
        self.Refresh();
        var processor = (self.TotalProcessorTime - spent).TotalSeconds / steps;
        if (ofThread) seconds = processor;
        OperatorClock.End(handle);
        var loops = LoopClock.End();

        var entries = OperatorClock.Measured.Select(entry => (
            Name: entry.Name.Replace("aten::", "", StringComparison.Ordinal),
            Milliseconds: entry.Nanoseconds / 1e6 / steps,
            Calls: entry.Calls / (double)steps)).ToArray();
        Console.WriteLine($"{method}, {options.Dtype}, {options.Size}");
        Console.WriteLine(FormattableString.Invariant(
            $"{unobserved:F3} s per step ({seconds:F3} observed, {processor:F3} of processor time)"));
        Console.WriteLine(rate.Shares(options.StepOperations(method) / unobserved));
        Console.WriteLine("\n| kind | ms per step | of the step | calls |\n|---|---|---|---|");
        var known = Kinds.SelectMany(static kind => kind.Operators.Select(name => (name, kind.Kind))).ToDictionary();
        var groups = entries.GroupBy(entry => known.GetValueOrDefault(entry.Name, "other operators"));
        foreach (var group in groups.OrderByDescending(static group => group.Sum(static entry => entry.Milliseconds)))
            Row(group.Key, group.Sum(static entry => entry.Milliseconds), group.Sum(static entry => entry.Calls));
        foreach (var (name, time, calls) in loops.OrderByDescending(static loop => loop.Time))
            Row($"our loops: {name}", time.TotalMilliseconds / steps, calls / (double)steps);
        var counted = entries.Sum(static entry => entry.Milliseconds) + loops.Sum(loop => loop.Time.TotalMilliseconds / steps);
        Row("neither", (seconds * 1e3) - counted, 0);
        Console.WriteLine("\n| operator | ms per step | of the step | calls |\n|---|---|---|---|");
        var costly = entries.OrderByDescending(static entry => entry.Milliseconds).Take(options.Number("operators", 24));
        foreach (var (name, milliseconds, calls) in costly) Row(name, milliseconds, calls);

        void Row(string name, double milliseconds, double calls) =>
            Console.WriteLine(FormattableString.Invariant(
                $"| {name} | {milliseconds:F1} | {milliseconds / seconds / 10:F1} % | {calls:F0} |"));
    }
}
