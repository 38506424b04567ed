using System.IO.Compression;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;
using ZstdSharp;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>Takes one record of a file.</summary>
/// <param name="number">Line, element or row, from 1.</param>
/// <param name="offset">Where its text begins in the unpacked file; −1 where there is none (Parquet).</param>
/// <param name="text">Its text, JSON in UTF-8; valid until the call returns.</param>
internal delegate void TakeRecord(int number, long offset, ReadOnlySpan<byte> text);

/// <summary>A data file as records: lines of JSON, elements of a JSON array or rows of a Parquet file, one after the other.</summary>
/// <param name="path">The file.</param>
internal sealed class RecordFile(string path)
{
    /// <summary>What a record of the file is called, known once the first has come: line, element or row.</summary>
    public string Place { get; private set; } = "line";

    /// <summary>Whether records lie in the file as they are, so that they can be read there again.</summary>
    public bool IsPlain { get; private set; }

    /// <summary>Calls back with every record; lines that are blank are none.</summary>
    /// <param name="take">Takes a record.</param>
    /// <param name="progress">Told how many more bytes of the file were read.</param>
    /// <returns>sha256 of the file, in hexadecimal.</returns>
    /// <exception cref="PeftException">The file is absent, unreadable, damaged, or of another kind; names it and the remedy.</exception>
    public string Read(TakeRecord take, IProgress<long>? progress = null)
    {
        if (!File.Exists(path)) throw new PeftException($"{path}: data file not found");
        RegularFile.Require(path);
        var last = 0;
        TakeRecord counting = (number, offset, text) =>
        {
            last = number;
            take(number, offset, text);
        };
        try
        {
            var kind = FileKind.Of(path, Start());
            IsPlain = kind == default;
            using var file = new HashingStream(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1), progress);
            if (kind.IsParquet)
            {
                Place = "row";
                ParquetRows.Read(path, counting);
            }
            else
            {
                using var unpacked = Unpack(file, kind.Compression);
                Scan(unpacked ?? file, counting);
            }

            return file.Finish();
        }
        catch (Exception error) when (error is (IOException and not EndOfStreamException) or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be read: {error.Message}", error);
        }
        catch (Exception error) when (error is InvalidDataException or ZstdException or EndOfStreamException)
        {
            throw new PeftException(
                $"{path}: damaged after {Place} {last}: {error.Message.TrimEnd('.')}; fetch the file again, or pack it anew",
                error
            );
        }
    }

    /// <summary>Writes the text of a packed file, in which records lie at their offsets; rows of Parquet as lines.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="PeftException">The file is damaged, or another one by now.</exception>
    public void Unpack(Stream target)
    {
        var kind = FileKind.Of(path, Start());
        if (kind.IsParquet)
        {
            ParquetRows.Read(path, (_, _, text) =>
            {
                target.Write(text);
                target.WriteByte((byte)'\n');
            });
            return;
        }

        using var file = File.OpenRead(path);
        using var unpacked = Unpack(file, kind.Compression);
        (unpacked ?? file).CopyTo(target);
    }

    private static Stream? Unpack(Stream file, Compression compression) => compression switch
    {
        Compression.Gzip => new GZipStream(file, CompressionMode.Decompress, leaveOpen: true),
        Compression.Zstandard => new DecompressionStream(file, leaveOpen: true),
        _ => null,
    };

    private void Scan(Stream text, TakeRecord take)
    {
        var buffer = new TextBuffer(text, path);
        var start = buffer.Peek(FileContent.Telling);
        if (FileContent.NoText(path, start) is { } other) throw new PeftException($"{path}: {other}");
        if (start.StartsWith("\uFEFF"u8)) buffer.Skip(3);
        if (!buffer.SkipBlanks(out var lines)) return;
        if (buffer.Peek(1)[0] == (byte)'[')
        {
            Place = "element";
            JsonArrayScanner.Scan(buffer, path, take);
        }
        else
        {
            LineScanner.Scan(buffer, lines + 1, take);
        }
    }

    private ReadOnlySpan<byte> Start()
    {
        using var file = File.OpenRead(path);
        var start = new byte[FileContent.Telling];
        return start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false));
    }
}
