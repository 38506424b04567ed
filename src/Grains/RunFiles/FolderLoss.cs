namespace Peft.Orleans.Grains.RunFiles;

/// <summary>A run's folder that is not there, or cannot be written.</summary>
internal static class FolderLoss
{
    // EIO, ENODEV, ENOTDIR, EROFS, ENOTCONN, ETIMEDOUT, EHOSTDOWN, ESTALE, EREMOTEIO
    private static readonly int[] Numbers = [5, 19, 20, 30, 107, 110, 112, 116, 121];

    private static readonly string[] Texts =
    [
        "Read-only file system", "Could not find a part of the path", "Stale file handle", "endpoint is not connected",
        "Input/output error", "Not a directory",
    ];

    /// <summary>Whether an error, or what caused it here or on another silo, is such a folder.</summary>
    internal static bool Is(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is DirectoryNotFoundException or FileNotFoundException or UnauthorizedAccessException) return true;
            if (error is IOException && Numbers.Contains(error.HResult)) return true;
            // From another silo the text arrives, not always the number.
            if (Texts.Any(text => error.Message.Contains(text, StringComparison.Ordinal))) return true;
        }

        return false;
    }
}
