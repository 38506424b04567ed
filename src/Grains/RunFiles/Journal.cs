using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>
/// A file of JSON lines with one writer per term: opening copies the valid lines (a torn last line is dropped) to a new file and
/// renames it over the old one, so that the handle of a former writer writes nowhere.
/// </summary>
internal sealed class Journal : IDisposable
{
    private readonly SafeFileHandle file;
    private long length;

    private Journal(SafeFileHandle file, IReadOnlyList<string> lines)
    {
        this.file = file;
        Lines = lines;
    }

    /// <summary>Valid lines found when it was opened.</summary>
    public IReadOnlyList<string> Lines { get; }

    /// <summary>Opens for writing.</summary>
    /// <param name="path">File.</param>
    /// <param name="writer">Unique to the writer: part of the temporary name.</param>
    /// <param name="keep">Which lines stay.</param>
    public static Journal Open(string path, string writer, Func<string, bool> keep)
    {
        var lines = ReadValid(path).Where(keep).ToArray();
        var temporary = $"{path}.{writer}.tmp";
        var journal = new Journal(
            File.OpenHandle(temporary, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete),
            lines
        );
        try
        {
            if (lines.Length > 0) journal.Append(string.Join('\n', lines));
            journal.Sync();
            File.Move(temporary, path, overwrite: true);
            return journal;
        }
        catch
        {
            journal.Dispose();
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
    /// Appends a line and hands it to the operating system. A line that cannot be written whole, for want of room, is not there at all.
    /// </summary>
    public void Append(string line)
    {
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        try
        {
            RandomAccess.Write(file, bytes, length);
            length += bytes.Length;
        }
        catch (IOException)
        {
            RandomAccess.SetLength(file, length);
            throw;
        }
    }

    /// <summary>Brings everything to the disk.</summary>
    public void Sync() => RandomAccess.FlushToDisk(file);

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

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
