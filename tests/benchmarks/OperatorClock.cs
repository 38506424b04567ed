using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// Time and number of libtorch's operators, each without those it calls, through the observer interface that libtorch's own profiler uses
/// (<c>at::addGlobalCallback</c>), on the thread that calls them. With <see cref="OfThread"/> the calling thread's own processor time is
/// taken instead of the clock's: with one compute thread a busy machine then blurs little.
/// </summary>
internal static unsafe class OperatorClock
{
    private const string Library = "libtorch_cpu.so";

    private const int ThreadClock = 3; // CLOCK_THREAD_CPUTIME_ID

    private static readonly Dictionary<nint, Entry> Entries = [];
    private static readonly Stack<Frame> Open = new();

    internal sealed class Entry(string name)
    {
        internal string Name => name;

        internal long Nanoseconds { get; set; }

        internal int Calls { get; set; }
    }

    private sealed class Frame(Entry entry)
    {
        internal Entry Entry => entry;

        internal long Start { get; } = Now();

        internal long Inner { get; set; }
    }

    /// <summary>libtorch 2.10's RecordFunctionCallback; scopes: which kinds of events, the first being functions.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Callback
    {
        internal nint Start;
        internal nint End;
        internal double Probability;
        internal fixed byte Scopes[16];
    }

    /// <summary>Whether the calling thread's processor time is measured.</summary>
    internal static bool OfThread { get; set; }

    /// <summary>Nanoseconds of the clock in use.</summary>
    internal static long Now()
    {
        if (!OfThread) return (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));
        long* time = stackalloc long[2];
        _ = ClockTime(ThreadClock, time);
        return (time[0] * 1_000_000_000) + time[1];
    }

    internal static IReadOnlyCollection<Entry> Measured => Entries.Values;

    /// <summary>Measures from now on; the handle ends it.</summary>
    internal static ulong Begin()
    {
        Entries.Clear();
        var callback = new Callback
        {
            Start = (nint)(delegate* unmanaged[Cdecl]<nint*, nint, nint*>)&OnStart,
            End = (nint)(delegate* unmanaged[Cdecl]<nint, nint, void>)&OnEnd,
            Probability = 1,
        };
        callback.Scopes[0] = 1;
        return AddCallback(callback);
    }

    internal static void End(ulong handle) => RemoveCallback(handle);

    /// <summary>Returns an empty <c>unique_ptr</c> through its hidden first argument.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint* OnStart(nint* result, nint function)
    {
        *result = 0;
        var name = NameOf(function);
        if (!Entries.TryGetValue(name, out var entry)) Entries[name] = entry = new Entry(Marshal.PtrToStringUTF8(name)!);
        Open.Push(new Frame(entry));
        return result;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnEnd(nint function, nint context)
    {
        var frame = Open.Pop();
        var elapsed = Now() - frame.Start;
        frame.Entry.Nanoseconds += elapsed - frame.Inner;
        frame.Entry.Calls++;
        if (Open.TryPeek(out var outer)) outer.Inner += elapsed;
    }

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int ClockTime(int clock, long* time);

    [DllImport(Library, EntryPoint = "_ZN2at17addGlobalCallbackENS_22RecordFunctionCallbackE")]
    private static extern ulong AddCallback(Callback callback);

    [DllImport(Library, EntryPoint = "_ZN2at14removeCallbackEm")]
    private static extern void RemoveCallback(ulong handle);

    [DllImport(Library, EntryPoint = "_ZNK2at14RecordFunction4nameEv")]
    private static extern nint NameOf(nint function);
}
