using System.Collections.Concurrent;
using System.Diagnostics;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>How long our own loops take, by the file they stand in: for profiles, off otherwise.</summary>
internal static class LoopClock
{
    private static ConcurrentDictionary<string, (long Ticks, long Calls)>? measured;

    internal static void Begin() => measured = new();

    /// <summary>What was measured since; the clock is off again.</summary>
    internal static IReadOnlyCollection<(string Name, TimeSpan Time, long Calls)> End() =>
        [.. (Interlocked.Exchange(ref measured, null) ?? []).Select(static entry => (
            Path.GetFileNameWithoutExtension(entry.Key),
            Stopwatch.GetElapsedTime(0, entry.Value.Ticks),
            entry.Value.Calls))];

    /// <summary>When a loop begins; 0 while nobody measures.</summary>
    internal static long Start() => measured is null ? 0 : Stopwatch.GetTimestamp();

    internal static void Stop(string file, long start)
    {
        if (start == 0) return;
        var ticks = Stopwatch.GetTimestamp() - start;
        measured?.AddOrUpdate(file, (ticks, 1), (_, sum) => (sum.Ticks + ticks, sum.Calls + 1));
    }
}
