using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>
/// A file that takes its name once it is whole. Without a name it has none in the file system at all: it is gone with whoever holds it.
/// </summary>
internal static class Scratch
{
    private const int BufferBytes = 1 << 16;

    /// <summary>A file to be written and read.</summary>
    /// <param name="target">Where it will lie; null: nowhere.</param>
    /// <exception cref="PeftException">It cannot be made.</exception>
    public static FileStream Create(string? target)
    {
        try
        {
            if (target is not null) Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            var path = target is null ? Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()) : $"{target}.{Guid.NewGuid():N}.tmp";
            var file = new FileStream(
                path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete, BufferBytes);
            if (target is null) File.Delete(path);
            return file;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(target, error);
        }
    }

    /// <summary>Gives the file its name; it can be read on, wherever its name goes.</summary>
    /// <exception cref="PeftException">It cannot be written.</exception>
    public static FileStream Finish(FileStream file, string? target)
    {
        try
        {
            // A name must not come to stand for half a file, whatever happens to the machine.
            file.Flush(flushToDisk: target is not null);
            if (target is not null) File.Move(file.Name, target, overwrite: true);
            return file;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(target, error);
        }
    }

    /// <summary>Drops a file that was not finished.</summary>
    public static void Abandon(FileStream file, string? target)
    {
        file.Dispose();
        if (target is not null) File.Delete(file.Name);
    }

    /// <summary>Where it cannot be written, and what to do.</summary>
    public static PeftException Unwritable(string? target, Exception error) => new(
        target is null
            ? $"{Path.GetTempPath()}: cannot be written: {error.Message}; TMPDIR names another folder"
            : $"{Path.GetDirectoryName(target)}: cannot be written: {error.Message}; make room there",
        error);
}
