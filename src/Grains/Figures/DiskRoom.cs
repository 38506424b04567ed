using System.Diagnostics;

namespace Peft.Orleans.Grains.Figures;

/// <summary>Room on the file system of a folder. It is looked at behind the reader's back: storage that hangs holds nobody up.</summary>
internal sealed class DiskRoom
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    private readonly string folder;
    private readonly Lock gate = new();
    private Task look;
    private (long Free, long Size)? last;
    private long at;

    /// <summary>Takes the first look.</summary>
    internal DiskRoom(string folder)
    {
        this.folder = folder;
        look = Task.Run(Look);
    }

    /// <summary>As of the last look, bytes; null before the first, and where the folder is not to be seen. Asking makes the next.</summary>
    internal (long Free, long Size)? Now
    {
        get
        {
            lock (gate)
            {
                if (look.IsCompleted && Stopwatch.GetElapsedTime(at) > LookAgain) look = Task.Run(Look);
                return last;
            }
        }
    }

    private void Look()
    {
        (long, long)? found = null;
        try
        {
            var drive = new DriveInfo(folder);
            found = (drive.AvailableFreeSpace, drive.TotalSize);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // There is none to be seen.
        }

        lock (gate) (last, at) = (found, Stopwatch.GetTimestamp());
    }
}
