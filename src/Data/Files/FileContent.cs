using System.Text;

namespace Peft.Orleans.Data.Files;

/// <summary>What a file that should be UTF-8 text is instead, told by its first bytes, and what to do about it.</summary>
internal static class FileContent
{
    /// <summary>So many bytes at the beginning tell.</summary>
    public const int Telling = 4096;

    private static readonly (byte[] Mark, string What, string Remedy)[] Marks =
    [
        ([0x1F, 0x8B], "compressed by gzip", "unpack it: gunzip -k FILE"),
        ([0x28, 0xB5, 0x2F, 0xFD], "compressed by Zstandard", "unpack it: unzstd FILE"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "compressed by xz", "unpack it: unxz -k FILE"),
        ("BZh"u8.ToArray(), "compressed by bzip2", "unpack it: bunzip2 -k FILE"),
        ([0x04, 0x22, 0x4D, 0x18], "compressed by LZ4", "unpack it: unlz4 FILE"),
        ([0x50, 0x4B, 0x03, 0x04], "a zip archive", "unpack it: unzip FILE"),
        ([0x37, 0x7A, 0xBC, 0xAF], "a 7z archive", "unpack it: 7z x FILE"),
        (
            "PAR1"u8.ToArray(),
            "a Parquet file",
            "write it as JSON lines: pandas.read_parquet('FILE').to_json('data.jsonl', orient='records', lines=True, force_ascii=False)"
        ),
        (
            "ARROW1"u8.ToArray(),
            "an Arrow file",
            "write it as JSON lines: datasets.Dataset.from_file('FILE').to_json('data.jsonl', force_ascii=False)"
        ),
        (
            [0xFF, 0xFF, 0xFF, 0xFF],
            "an Arrow stream",
            "write it as JSON lines: datasets.Dataset.from_file('FILE').to_json('data.jsonl', force_ascii=False)"
        ),
        ([0x00, 0x00, 0xFE, 0xFF], "UTF-32", "write it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
        ([0xFF, 0xFE, 0x00, 0x00], "UTF-32", "write it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
        ([0xFF, 0xFE], "UTF-16", "write it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
        ([0xFE, 0xFF], "UTF-16", "write it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
        ([0x89, 0x48, 0x44, 0x46], "an HDF5 file", "write it as JSON lines"),
        ("%PDF"u8.ToArray(), "a PDF file", "extract its text"),
        ("SQLite format 3"u8.ToArray(), "an SQLite database", "write its rows as JSON lines"),
        ("version https://git-lfs"u8.ToArray(), "a Git LFS pointer, not the file it stands for", "fetch the file: git lfs pull"),
        ("<!DOCTYPE"u8.ToArray(), "a web page", "download the file itself (its raw form)"),
        ("<html"u8.ToArray(), "a web page", "download the file itself (its raw form)"),
    ];

    /// <summary>What the file is, with the remedy; null: it may be UTF-8 text.</summary>
    /// <param name="path">The file, for the remedy.</param>
    /// <param name="start">Its first bytes.</param>
    public static string? NoText(string path, ReadOnlySpan<byte> start)
    {
        var name = Path.GetFileName(path);
        foreach (var (mark, what, remedy) in Marks)
        {
            if (start.StartsWith(mark)) return $"the file is {what}; {remedy.Replace("FILE", name, StringComparison.Ordinal)}";
        }

        return start.Contains((byte)0) ? "the file is binary, or UTF-16 without its mark; it must be text in UTF-8" : null;
    }

    /// <summary>The bytes without UTF-8's mark.</summary>
    public static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> text) =>
        text.Span.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
}
