using System.Diagnostics;
using CsCheck;

namespace Peft.Orleans.Fuzz;

/// <summary>Many inputs to one target, in one thread: nothing crashes, nothing hangs, memory stays flat.</summary>
internal static class FuzzRound
{
    /// <summary>Longer for one input is a hang, on however busy a machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Word = TimeSpan.FromSeconds(10);

    // Memory is measured once caches are warm, and at the end.
    private const int WarmShare = 5;
    private const long Slack = 96 << 20;

    internal static bool Run(string name, FuzzTarget target, int inputs, uint seed)
    {
        var generator = target.Inputs;
        var (accepted, longest, longestInput) = (0L, TimeSpan.Zero, 0);
        long warm = 0;
        var clock = Stopwatch.StartNew();
        var said = TimeSpan.Zero;
        byte[] current = [];
        var begun = 0L;
        using var watch = new Timer(_ =>
        {
            var since = Interlocked.Read(ref begun);
            if (since == 0 || Stopwatch.GetElapsedTime(since) < Hang) return;
            Console.Error.WriteLine($"{name}: HANG, more than {Hang.TotalSeconds:0} s; input in {Keep(name, current)}");
            Environment.Exit(1);
        }, null, Word, Word);
        for (var i = 1; i <= inputs; i++)
        {
            // A generator of its own for every input: any one can be made again.
            current = generator.Generate(new PCG((uint)i, seed), null, out _);
            var start = Stopwatch.GetTimestamp();
            Interlocked.Exchange(ref begun, start);
            try
            {
                if (target.Read(current)) accepted++;
            }
            catch (Exception error)
            {
                Console.Error.WriteLine($"{name}: input {i} of seed {seed} in {Keep(name, current)}: {error}");
                return false;
            }

            Interlocked.Exchange(ref begun, 0);
            var taken = Stopwatch.GetElapsedTime(start);
            if (taken > longest) (longest, longestInput) = (taken, i);
            if (i == Math.Max(1, inputs / WarmShare)) warm = target.Memory;
            if (clock.Elapsed - said < Word) continue;
            said = clock.Elapsed;
            Console.WriteLine($"{name}: {i:N0} of {inputs:N0}, {i / clock.Elapsed.TotalSeconds:N0}/s");
        }

        var growth = target.Memory - warm;
        Console.WriteLine(
            $"{name}: {inputs:N0} inputs of seed {seed}, {accepted:N0} accepted, {inputs - accepted:N0} refused, 0 crashes, 0 hangs, "
            + $"longest {longest.TotalMilliseconds:N0} ms (input {longestInput}), {clock.Elapsed.TotalSeconds:N0} s, "
            + $"memory {warm >> 20:N0} MiB {(growth < 0 ? "−" : "+")} {Math.Abs(growth) >> 20:N0} MiB");
        if (growth <= Slack) return true;
        Console.Error.WriteLine($"{name}: memory is not flat");
        return false;
    }

    private static string Keep(string name, byte[] input)
    {
        var path = Path.Combine(Path.GetTempPath(), $"fuzz-{name}-{Environment.ProcessId}.bin");
        File.WriteAllBytes(path, input);
        return path;
    }
}
