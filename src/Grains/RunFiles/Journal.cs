using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>
/// A file of JSON lines with one writer per term: opening copies the valid lines (a torn last line is dropped) to a new file and
/// renames it over the old one, so that the handle of a former writer writes nowhere. Where the folder is lost, lines are kept in memory
/// until the journal is attached again.
/// </summary>
internal sealed class Journal : IDisposable
{
    private readonly string path;
    private readonly string writer;
    private readonly Func<string, bool> keep;
    private readonly JournalCopy copy;
    private SafeFileHandle? file;
    private long length;

    private Journal(string path, string writer, Func<string, bool> keep, JournalCopy copy) =>
        (this.path, this.writer, this.keep, this.copy) = (path, writer, keep, copy);

    /// <summary>Valid lines found when it was opened.</summary>
    public IReadOnlyList<string> Lines { get; private set; } = [];

    /// <summary>Whether the file is there, as long as what was written to it.</summary>
    public bool IsInPlace => file is not null && new FileInfo(path) is { Exists: true } found && found.Length == length;

    /// <summary>Opens for writing; without a folder nothing is written yet.</summary>
    /// <param name="path">File.</param>
    /// <param name="writer">Unique to the writer: part of the temporary name.</param>
    /// <param name="keep">Which lines stay.</param>
    /// <param name="copy">What a former writer of this process knew; null: nothing.</param>
    public static Journal Open(string path, string writer, Func<string, bool> keep, JournalCopy? copy = null)
    {
        var journal = new Journal(path, writer, keep, copy ?? new JournalCopy());
        try
        {
            journal.Attach();
        }
        catch (Exception error) when (FolderLoss.Is(error))
        {
            // Attached when there is a folder again.
        }

        journal.Lines = [.. journal.copy.Lines];
        return journal;
    }

    /// <summary>Writes all lines to a new file in the place of whatever is there.</summary>
    public void Attach()
    {
        Detach();
        if (!copy.Whole && Directory.Exists(Path.GetDirectoryName(path))) copy.Begin(ReadValid(path).Where(keep));
        var temporary = $"{path}.{writer}.tmp";
        var opened = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            var bytes = Encoding.UTF8.GetBytes(string.Concat(copy.Lines.Select(static line => line + "\n")));
            RandomAccess.Write(opened, bytes, 0);
            RandomAccess.FlushToDisk(opened);
            File.Move(temporary, path, overwrite: true);
            (file, length) = (opened, bytes.Length);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>The complete lines that are JSON.</summary>
    public static IReadOnlyList<string> ReadValid(string path)
    {
        if (!File.Exists(path)) return [];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        var text = reader.ReadToEnd();
        var lines = text.Split('\n');
        return [.. lines.Take(lines.Length - 1).Where(IsJson)];
    }

    /// <summary>
    /// Appends a line and hands it to the operating system. A line that cannot be written whole, for want of room, is not there at all; one
    /// for which there is no folder is kept.
    /// </summary>
    public void Append(string line)
    {
        copy.Add(line);
        if (file is null) return;
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        try
        {
            RandomAccess.Write(file, bytes, length);
            length += bytes.Length;
        }
        catch (Exception error) when (FolderLoss.Is(error))
        {
            Detach();
        }
        catch (IOException)
        {
            copy.TakeBack();
            RandomAccess.SetLength(file, length);
            throw;
        }
    }

    /// <summary>Brings everything to the disk.</summary>
    public void Sync()
    {
        try
        {
            if (file is not null) RandomAccess.FlushToDisk(file);
        }
        catch (Exception error) when (FolderLoss.Is(error))
        {
            Detach();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Detach();

    private void Detach()
    {
        file?.Dispose();
        file = null;
    }

    private static bool IsJson(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
