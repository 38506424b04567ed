using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// Runs our own loops on the threads that libtorch computes with, through its OpenMP library: a pool of our own would fight with that one
/// for the same cores. Rows are independent, so who takes which changes no bit.
/// </summary>
internal static unsafe class TorchThreads
{
    /// <summary>Elements below which waking another thread costs more than it saves.</summary>
    private const long Grain = 16 << 10;

    /// <summary><c>GOMP_parallel</c> of the library that libtorch is linked with, under whatever name it came; null: none.</summary>
    private static readonly delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<Job*, void>, Job*, uint, uint, void> Parallel =
        (delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<Job*, void>, Job*, uint, uint, void>)TorchExports.Find("GOMP_parallel");

    private struct Job
    {
        internal delegate*<void*, int, int, void> Body;
        internal void* Arguments;
        internal int Rows;
        internal int Block;
        internal int Next;
        internal int Workers;
    }

    /// <summary>Calls <paramref name="body"/> with ranges [from, to) that together are all rows.</summary>
    internal static void Run(
        int rows,
        long elementsPerRow,
        delegate*<void*, int, int, void> body,
        void* arguments,
        [CallerFilePath] string file = "") =>
        Run(rows, elementsPerRow, body, arguments, TorchRuntime.Threads, file);

    /// <summary>As above, on at most <paramref name="threads"/> of them.</summary>
    internal static void Run(
        int rows,
        long elementsPerRow,
        delegate*<void*, int, int, void> body,
        void* arguments,
        int threads,
        [CallerFilePath] string file = "")
    {
        if (rows <= 0) return;
        var start = LoopClock.Start();
        var block = (int)Math.Clamp(Grain / Math.Max(1, elementsPerRow), 1, rows);
        if (threads == 1 || block == rows || Parallel == null)
        {
            body(arguments, 0, rows);
        }
        else
        {
            var job = new Job { Body = body, Arguments = arguments, Rows = rows, Block = block };
            Parallel(&Work, &job, (uint)threads, 0);
        }

        LoopClock.Stop(file, start);
    }

    /// <summary>
    /// Calls <paramref name="body"/> once for each unit, in order of number as threads come free, and tells it which worker it is, [0,
    /// threads): a worker's scratch is its own. A unit is so much work that waking a thread is not noticed, and its own products run on its
    /// thread alone.
    /// </summary>
    internal static void RunUnits(
        int units,
        delegate*<void*, int, int, void> body,
        void* arguments,
        int threads,
        [CallerFilePath] string file = "")
    {
        var start = LoopClock.Start();
        if (threads == 1 || units == 1 || Parallel == null)
        {
            for (var unit = 0; unit < units; unit++) body(arguments, unit, 0);
        }
        else
        {
            var job = new Job { Body = body, Arguments = arguments, Rows = units };
            Parallel(&WorkUnits, &job, (uint)threads, 0);
        }

        LoopClock.Stop(file, start);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Work(Job* job)
    {
        while (true)
        {
            var from = Interlocked.Add(ref job->Next, job->Block) - job->Block;
            if (from >= job->Rows) return;
            job->Body(job->Arguments, from, Math.Min(job->Rows, from + job->Block));
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void WorkUnits(Job* job)
    {
        var worker = Interlocked.Increment(ref job->Workers) - 1;
        while (true)
        {
            var unit = Interlocked.Increment(ref job->Next) - 1;
            if (unit >= job->Rows) return;
            job->Body(job->Arguments, unit, worker);
        }
    }
}
