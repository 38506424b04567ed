using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Datasets;

/// <summary>Lines of a JSONL file, of any size, with the file's sha256.</summary>
internal static partial class JsonLines
{
    private const int ReadSize = 1 << 20;

    /// <summary>Calls back with batches of lines that are not blank.</summary>
    /// <returns>sha256 of the file, in hexadecimal.</returns>
    /// <exception cref="PeftException">The file is absent, a folder, unreadable, or of another kind; names it and the remedy.</exception>
    public static string Read(string path, int batchSize, Action<IReadOnlyList<(int Number, ReadOnlyMemory<byte> Text)>> batch)
    {
        if (Directory.Exists(path)) throw new PeftException($"{path}: a folder; name a JSONL file in it, one JSON object per line");
        if (!File.Exists(path)) throw new PeftException($"{path}: data file not found");
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var lines = new List<(int, ReadOnlyMemory<byte>)>(batchSize);
            var buffer = new byte[ReadSize];
            var (filled, number) = (0, 0);
            while (true)
            {
                if (filled == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
                var read = file.Read(buffer, filled, buffer.Length - filled);
                hash.AppendData(buffer, filled, read);
                if (number == 0 && filled == 0) RequireLines(path, buffer.AsSpan(0, read));
                filled += read;
                var start = 0;
                while (start < filled)
                {
                    var length = buffer.AsSpan(start, filled - start).IndexOf((byte)'\n');
                    if (length < 0 && read > 0) break;
                    if (length < 0) length = filled - start;
                    number++;
                    var line = buffer.AsSpan(start, length);
                    if (number == 1 && line.StartsWith("\uFEFF"u8)) line = line[3..];
                    if (line.ContainsAnyExcept(" \t\r"u8)) lines.Add((number, line.ToArray()));
                    start += length + 1;
                    if (lines.Count < batchSize) continue;
                    batch(lines);
                    lines.Clear();
                }

                if (read == 0) break;
                start = Math.Min(start, filled);
                Buffer.BlockCopy(buffer, start, buffer, 0, filled - start);
                filled -= start;
            }

            if (lines.Count > 0) batch(lines);
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be read: {error.Message}", error);
        }
    }

    /// <summary>A line's object.</summary>
    /// <exception cref="FormatException">The line is not one whole JSON object; says why and what to do.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> line)
    {
        JsonDocument document;
        try
        {
            document = JsonText.Parse(line);
        }
        catch (FormatException error)
        {
            if (OldMacEnd().IsMatch(Encoding.UTF8.GetString(line.Span)))
                throw new FormatException(
                    "lines end with a carriage return alone, as on old Macs; write them anew: tr '\\r' '\\n' < FILE > NEW",
                    error
                );
            var open = line.Span.TrimStart(" \t\r"u8) is [(byte)'{', ..] && error.Message.EndsWith("closed", StringComparison.Ordinal);
            throw open ? new FormatException($"{error.Message}; a line is one whole object: jq -c . FILE > NEW", error) : error;
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new FormatException("not a JSON object");
    }

    private static void RequireLines(string path, ReadOnlySpan<byte> start)
    {
        if (FileContent.NoText(path, start[..Math.Min(start.Length, FileContent.Telling)]) is { } other)
            throw new PeftException($"{path}: {other}");
        if (start.StartsWith(Encoding.UTF8.Preamble))
            start = start[Encoding.UTF8.Preamble.Length..];
        var name = Path.GetFileName(path);
        if (start.TrimStart(" \t\r\n"u8) is [(byte)'[', ..])
            throw new PeftException(
                $"{path}: a JSON array; a data file has one object per line: jq -c '.[]' {name} > "
                    + $"{Path.GetFileNameWithoutExtension(path)}.jsonl"
            );
    }

    [GeneratedRegex(@"\}[ \t]*\r[ \t]*\{")]
    private static partial Regex OldMacEnd();
}
