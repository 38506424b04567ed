using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>A full disk, and how long to wait for room.</summary>
internal static class DiskSpace
{
    private const int NoSpaceLeft = 28; // ENOSPC
    private const int QuotaExceeded = 122; // EDQUOT

    internal static TimeSpan RetryAfter => ClusterTimes.Current.DiskFull;

    /// <summary>Whether an error, or what caused it here or on another silo, is a disk without room.</summary>
    internal static bool IsExhausted(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is IOException && error.HResult is NoSpaceLeft or QuotaExceeded) return true;
            // From another silo the text arrives, not always the number.
            if (error.Message.Contains("No space left on device", StringComparison.Ordinal)) return true;
        }

        return false;
    }
}
