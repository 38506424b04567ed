using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>How a file's bytes are packed.</summary>
internal enum Compression
{
    None,
    Gzip,
    Zstandard,
}

/// <summary>How a data file is written, told by its first bytes; a name that says otherwise is refused.</summary>
/// <param name="Compression">How its bytes are packed.</param>
/// <param name="IsParquet">Whether it is a Parquet file; else JSON, lines or one array.</param>
internal readonly record struct FileKind(Compression Compression, bool IsParquet)
{
    private static readonly (string Ending, FileKind Kind, string Name)[] Named =
    [
        (".gz", new(Compression.Gzip, false), "gzip"),
        (".zst", new(Compression.Zstandard, false), "Zstandard"),
        (".parquet", new(Compression.None, true), "Parquet"),
    ];

    /// <summary>The kind of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="start">Its first bytes.</param>
    /// <exception cref="PeftException">It is of no kind that is read, or of another than its name says.</exception>
    public static FileKind Of(string path, ReadOnlySpan<byte> start)
    {
        var found = start switch
        {
            [0x1F, 0x8B, ..] => new FileKind(Compression.Gzip, false),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => new FileKind(Compression.Zstandard, false),
            [(byte)'P', (byte)'A', (byte)'R', (byte)'1', ..] => new FileKind(Compression.None, true),
            _ => default,
        };
        foreach (var (ending, kind, name) in Named)
        {
            if (path.EndsWith(ending, StringComparison.OrdinalIgnoreCase) && kind != found && start.Length > 0)
                throw new PeftException(
                    $"{path}: its name says {name}, its content is {(FileContent.NoText(path, start) is null ? "text" : "another")}; "
                        + "fetch the file again, or give it the name it should have"
                );
        }

        if (found == default && FileContent.NoText(path, start) is { } other) throw new PeftException($"{path}: {other}");
        return found;
    }
}
