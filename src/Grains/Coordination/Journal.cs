using System.Text;
using System.Text.Json;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>
/// A file of JSON lines with one writer per generation: opening copies the valid lines (a torn last line is dropped) to a new file and
/// renames it over the old one, so that the handle of a former writer writes nowhere.
/// </summary>
public sealed class Journal : IDisposable
{
    private readonly FileStream stream;

    private Journal(FileStream stream, IReadOnlyList<string> lines)
    {
        this.stream = stream;
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
        var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        var journal = new Journal(stream, lines);
        foreach (var line in lines) journal.Write(line);
        stream.Flush(flushToDisk: true);
        File.Move(temporary, path, overwrite: true);
        return journal;
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

    /// <summary>Appends a line and hands it to the operating system.</summary>
    public void Append(string line)
    {
        Write(line);
        stream.Flush();
    }

    /// <summary>Brings everything to the disk.</summary>
    public void Sync() => stream.Flush(flushToDisk: true);

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private void Write(string line) => stream.Write(Encoding.UTF8.GetBytes(line + "\n"));

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
