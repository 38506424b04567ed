using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Client.Commands;

/// <summary>
/// A file that a command reads; standard input (<c>-</c>), or a pipe that a shell hands over (<c>&lt;(…)</c>), is first read into a file
/// of its own, which goes with this object. Anything else is the file that it names.
/// </summary>
internal sealed class PipedInput : IDisposable
{
    private static readonly string[] HandedOver = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

    private readonly string name;
    private readonly DirectoryInfo? folder;

    private PipedInput(string name, string path, DirectoryInfo? folder)
    {
        this.name = name;
        Path = path;
        this.folder = folder;
    }

    /// <summary>The file to read.</summary>
    public string Path { get; }

    /// <summary>Opens what an option names.</summary>
    /// <exception cref="PeftException">It cannot be read.</exception>
    public static PipedInput Open(string named)
    {
        var piped = named == "-"
            || (HandedOver.Any(start => named.StartsWith(start, StringComparison.Ordinal)) && RegularFile.OtherKind(named) is not null);
        if (!piped) return new PipedInput(named, named, null);
        var folder = Directory.CreateTempSubdirectory("peft-");
        try
        {
            var path = System.IO.Path.Combine(folder.FullName, "input.jsonl");
            using var source = named == "-" ? Console.OpenStandardInput() : new FileStream(named, FileMode.Open, FileAccess.Read);
            using var target = File.Create(path);
            source.CopyTo(target);
            return new PipedInput(named == "-" ? "standard input" : named, path, folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            folder.Delete(recursive: true);
            throw new PeftException($"{named} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Reads it; what is refused is refused by the name that was given.</summary>
    public T Read<T>(Func<string, T> read)
    {
        try
        {
            return read(Path);
        }
        catch (PeftException error) when (folder is not null)
        {
            throw new PeftException(error.Message.Replace(Path, name, StringComparison.Ordinal), error);
        }
    }

    public void Dispose() => folder?.Delete(recursive: true);
}
