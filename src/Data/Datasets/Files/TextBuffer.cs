using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>A window on a stream that grows where a record is longer than it.</summary>
internal sealed class TextBuffer(Stream stream, string path)
{
    // An array of .NET holds 2 GiB less some; a record's text and its JSON tree are both held at once.
    private const int LongestRecord = 1 << 30;

    private byte[] bytes = new byte[1 << 20];
    private int start;
    private int end;
    private bool ended;

    /// <summary>What is here and not yet skipped.</summary>
    public ReadOnlySpan<byte> Here => bytes.AsSpan(start, end - start);

    /// <summary>Where <see cref="Here"/> begins in the stream.</summary>
    public long Offset { get; private set; }

    /// <summary>Up to <paramref name="count"/> bytes from here on; fewer at the end.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        while (end - start < count && More())
        {
        }

        return Here[..Math.Min(count, end - start)];
    }

    /// <summary>Drops bytes that are here.</summary>
    public void Skip(int count)
    {
        start += count;
        Offset += count;
    }

    /// <summary>Drops blanks and line ends; false: nothing else follows.</summary>
    /// <param name="lines">How many lines ended.</param>
    public bool SkipBlanks(out int lines)
    {
        lines = 0;
        while (true)
        {
            var text = Here;
            var length = text.IndexOfAnyExcept(" \t\r\n"u8);
            var blank = length < 0 ? text : text[..length];
            lines += blank.Count((byte)'\n');
            Skip(blank.Length);
            if (length >= 0) return true;
            if (!More()) return false;
        }
    }

    /// <summary>Reads on; false: the stream has ended.</summary>
    /// <exception cref="PeftException">A record is longer than can be held.</exception>
    public bool More()
    {
        if (ended) return false;
        if (start > 0)
        {
            Buffer.BlockCopy(bytes, start, bytes, 0, end - start);
            (start, end) = (0, end - start);
        }

        if (end == bytes.Length)
        {
            if (bytes.Length >= LongestRecord)
                throw new PeftException($"{path}: at byte {Offset + 1} begins a record of more than {LongestRecord >> 20} MiB; split it");
            Array.Resize(ref bytes, bytes.Length * 2);
        }

        var read = stream.Read(bytes, end, bytes.Length - end);
        end += read;
        ended = read == 0;
        return !ended;
    }
}
