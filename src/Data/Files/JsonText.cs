using System.Text.Json;
using System.Text.Unicode;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Files;

/// <summary>
/// Reads JSON that other programs and people wrote: whatever the bytes are, what is wrong with them is said in the reader's words.
/// </summary>
internal static class JsonText
{
    /// <summary>Longest file that is read as a whole: ten times the largest vocabulary there is.</summary>
    internal const long LongestFile = 512L << 20;

    /// <summary>A JSON file whose root is an object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="remedy">What to do where there is no such file.</param>
    /// <exception cref="PeftException">It is absent, a folder, unreadable, no UTF-8, no JSON, or no object; names the file, and the
    /// line.</exception>
    public static JsonElement ReadObject(string path, string remedy) =>
        Read(path, remedy, static root => root.ValueKind == JsonValueKind.Object ? null : "not a JSON object");

    /// <summary>A JSON file, whatever its root is.</summary>
    /// <param name="path">The file.</param>
    /// <param name="remedy">What to do where there is no such file.</param>
    /// <exception cref="PeftException">It is absent, a folder, unreadable, no UTF-8 or no JSON; names the file, and the line.</exception>
    public static JsonElement ReadAny(string path, string remedy) => Read(path, remedy, static _ => null);

    private static JsonElement Read(string path, string remedy, Func<JsonElement, string?> wrong)
    {
        var bytes = ReadAll(path, remedy);
        try
        {
            using var document = Parse(FileContent.WithoutMark(bytes));
            return wrong(document.RootElement) is { } reason ? throw new FormatException(reason) : document.RootElement.Clone();
        }
        catch (FormatException error)
        {
            throw new PeftException(
                $"{path}: {FileContent.NoText(path, bytes.AsSpan(0, Math.Min(bytes.Length, FileContent.Telling))) ?? error.Message}",
                error
            );
        }
    }

    /// <summary>A JSON text whose every string can be read.</summary>
    /// <param name="text">UTF-8.</param>
    /// <exception cref="FormatException">The text is no JSON; says why and where.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        if (!Utf8.IsValid(text.Span)) throw new FormatException("not valid UTF-8");
        try
        {
            var document = JsonDocument.Parse(text);
            RequireUnicode(text.Span);
            return document;
        }
        catch (JsonException error)
        {
            throw new FormatException(Reason(error), error);
        }
    }

    /// <summary>All bytes of a file, of which there are not more than a vocabulary or an index takes.</summary>
    internal static byte[] ReadAll(string path, string remedy)
    {
        if (Directory.Exists(path)) throw new PeftException($"{path}: a folder is there, where a file is needed");
        if (!File.Exists(path)) throw new PeftException($"{path}: file not found{(remedy.Length > 0 ? "; " + remedy : "")}");
        RegularFile.Require(path);
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > LongestFile)
                throw new PeftException($"{path}: {file.Length:N0} bytes, where at most {LongestFile:N0} are read");
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Why a text is no JSON, without the library's advice to programmers.</summary>
    internal static string Reason(JsonException error)
    {
        var message = error.Message;
        var reason =
            message.Contains("does not contain any JSON tokens", StringComparison.Ordinal) ? "it is empty"
            : message.Contains("Expected depth to be zero", StringComparison.Ordinal)
            || message.Contains("reached end of data", StringComparison.Ordinal)
            || message.Contains("end of the data", StringComparison.Ordinal)
            || message.Contains("end of string was not", StringComparison.Ordinal)
                ? "it ends before its last bracket or quote is closed"
            : message.Contains("trailing comma", StringComparison.Ordinal) ? "a comma stands before a closing bracket"
            : message.Contains("after a single JSON value", StringComparison.Ordinal) ? "something follows its closing bracket"
            : message.Contains("maximum configured depth", StringComparison.Ordinal) ? "it is nested deeper than 64 levels"
            : message[..(message.IndexOf(" LineNumber:", StringComparison.Ordinal) is > 0 and var end ? end : message.Length)].TrimEnd('.');
        var line = error.LineNumber is > 0 and var number ? $"line {number + 1}, " : "";
        return $"invalid JSON ({line}byte {(error.BytePositionInLine ?? 0) + 1}): {reason}";
    }

    // \ud800 alone is no text; Python writes such halves, and no tokenizer can read them.
    private static void RequireUnicode(ReadOnlySpan<byte> text)
    {
        if (text.IndexOf("\\u"u8) < 0) return;
        var reader = new Utf8JsonReader(text);
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException error)
            {
                throw new FormatException("a text is not valid Unicode: it has half of a pair, \\ud800 to \\udfff, alone", error);
            }
        }
    }
}
