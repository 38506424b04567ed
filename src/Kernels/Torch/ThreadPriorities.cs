using System.Runtime.InteropServices;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// Compute must not starve the threads that answer other silos: a silo whose probes wait behind products would be declared dead.
/// </summary>
internal static class ThreadPriorities
{
    private const int OfThread = 0; // PRIO_PROCESS; on Linux it takes a thread's id
    private const int Nice = 5;

    /// <summary>Lowers this thread's priority, and that of the OpenMP threads which it will start: they inherit it.</summary>
    internal static void Yield()
    {
        if (OperatingSystem.IsLinux()) _ = SetPriority(OfThread, (uint)GetThreadId(), Nice);
    }

    [DllImport("libc", EntryPoint = "setpriority")]
    private static extern int SetPriority(int which, uint who, int priority);

    [DllImport("libc", EntryPoint = "gettid")]
    private static extern int GetThreadId();
}
