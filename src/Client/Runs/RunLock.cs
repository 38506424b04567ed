using System.Globalization;
using Peft.Orleans.Core;

namespace Peft.Orleans.Client.Runs;

/// <summary>
/// A run's folder belongs to one client that starts silos for it: <c>run.lock</c> there is a locked file, which the operating system gives
/// back whatever
/// becomes of its holder. It is taken before anything else in the folder is written, and held until the silos have ended.
/// </summary>
internal sealed class RunLock : IDisposable
{
    private const string FileName = "run.lock";

    // The locked file itself can be read by nobody else.
    private const string HolderName = "run.pid";

    // What a lock that another process holds is refused with.
    private const int Eagain = 11;

    private readonly FileStream held;
    private readonly string holder;
    private bool given;

    private RunLock(FileStream held, string holder)
    {
        this.held = held;
        this.holder = holder;
    }

    /// <summary>Takes the folder of a run, and makes it if need be.</summary>
    /// <exception cref="ClientException">Another client has it.</exception>
    /// <exception cref="PeftException">The folder cannot be written.</exception>
    public static RunLock Take(string runFolder, string runId)
    {
        try
        {
            Directory.CreateDirectory(runFolder);
            var path = Path.Combine(runFolder, FileName);
            if (TryOpen(path) is not { } held)
            {
                throw new ClientException(ExitCodes.Refused,
                    $"run {runId} is running or just being started{(Pid(runFolder) is { } pid ? $" by process {pid}" : "")}; "
                    + $"follow it with: peft-client watch {runId}");
            }

            var holder = Path.Combine(runFolder, HolderName);
            File.WriteAllText(holder + ".part", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            File.Move(holder + ".part", holder, overwrite: true);
            return new RunLock(held, holder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(runFolder, error);
        }
    }

    /// <summary>Whether another living client has the folder.</summary>
    public static bool IsHeld(string runFolder) => HeldBy(runFolder) is not null;

    /// <summary>The process id of another living client that has the folder; null: none has.</summary>
    public static int? HeldBy(string runFolder)
    {
        // Only where a living process says so the lock is tried: a trial could be in the way of a client that wants it.
        if (runFolder.Length == 0 || Pid(runFolder) is not { } pid || pid == Environment.ProcessId || !Processes.IsAlive(pid)) return null;
        try
        {
            using var free = TryOpen(Path.Combine(runFolder, FileName));
            return free is null ? pid : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A folder that may only be read: then the process is all there is to go by.
            return pid;
        }
    }

    /// <summary>The error of a run's folder that cannot be written.</summary>
    public static PeftException Unwritable(string runFolder, Exception error) => new(
        $"output: {runFolder} cannot be written: {error.Message}; "
        + "set output to a folder you can write (--set output=FOLDER), or free some space", error);

    public void Dispose()
    {
        if (given) return;
        given = true;
        try
        {
            File.Delete(holder);
        }
        catch (IOException)
        {
            // The folder is gone.
        }

        held.Dispose();
    }

    /// <summary>Opens the file for nobody else; null where another process has.</summary>
    private static FileStream? TryOpen(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (error.HResult == Eagain)
        {
            return null;
        }
    }

    private static int? Pid(string runFolder)
    {
        var path = Path.Combine(runFolder, HolderName);
        try
        {
            return File.Exists(path) && int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var pid) ? pid : null;
        }
        catch (IOException)
        {
            // Its holder has just ended.
            return null;
        }
    }
}
