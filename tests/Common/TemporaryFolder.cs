namespace Peft.Orleans.Tests;

/// <summary>A folder of its own for one test, gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("peft-");

    /// <summary>Its path.</summary>
    internal string Path => folder.FullName;

    /// <summary>A file in it.</summary>
    internal string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file in it.</summary>
    internal string Write(string name, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(File(name))!);
        System.IO.File.WriteAllText(File(name), text);
        return File(name);
    }

    /// <summary>Writes a JSONL file in it.</summary>
    internal string WriteLines(string name, params IEnumerable<string> lines)
    {
        System.IO.File.WriteAllLines(File(name), lines);
        return File(name);
    }

    /// <inheritdoc/>
    public void Dispose() => folder.Delete(recursive: true);
}
