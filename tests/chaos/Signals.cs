using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Peft.Orleans.Chaos;

/// <summary>Signals to silo processes.</summary>
internal static partial class Signals
{
    private const int Sigkill = 9;
    private const int Sigcont = 18;
    private const int Sigstop = 19;

    internal static void Kill(int pid) => Send(pid, Sigkill);

    internal static void Stop(int pid) => Send(pid, Sigstop);

    internal static void Continue(int pid) => Send(pid, Sigcont);

    /// <summary>Whether the process is there, is a silo of the run and no zombie: numbers of processes are used again.</summary>
    internal static bool IsSilo(int pid, string runFolder)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{pid}/stat");
            if (status[(status.LastIndexOf(')') + 2)..][0] is 'Z' or 'X') return false;
            var words = File.ReadAllText($"/proc/{pid}/cmdline").Split('\0');
            return words.Any(static word =>
                    word.EndsWith("peft-silo.dll", StringComparison.Ordinal) || word.EndsWith("peft-silo", StringComparison.Ordinal)
                ) && words.Any(word => word.StartsWith(runFolder, StringComparison.Ordinal));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void Send(int pid, int signal)
    {
        // A process that has just ended by itself is no error.
        if (Kill(pid, signal) != 0 && Marshal.GetLastPInvokeError() is not 3 and var error) throw new Win32Exception(error);
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
