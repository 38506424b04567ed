using System.Diagnostics;

namespace Peft.Orleans.Client.Runs;

/// <summary>Processes of this machine by their id.</summary>
internal static class Processes
{
    /// <summary>Whether a process lives, and has a name of ours: ids are used again.</summary>
    public static bool IsAlive(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return !process.HasExited && IsOurs(process.ProcessName);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }

    private static bool IsOurs(string name) =>
        name.StartsWith("peft-", StringComparison.Ordinal) || name.StartsWith("dotnet", StringComparison.Ordinal);
}
