using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>Reads YAML text; whatever the text holds, what is wrong with it is said with file and line.</summary>
public static class YamlReader
{
    private const int LongestText = 1 << 20;

    /// <summary>The documents of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="path">Its file, for messages.</param>
    /// <exception cref="PeftException">
    /// The text is no YAML, nests too deep, contains itself, grows without bound by its aliases, or has tags.
    /// </exception>
    public static IReadOnlyList<YamlDocument> Read(string text, string path)
    {
        if (text.Length > LongestText) throw TooLong(path, "run file");
        var events = new YamlEvents(text, path);
        try
        {
            var stream = new YamlStream();
            stream.Load(events);
            return [.. stream.Documents];
        }
        catch (YamlException error)
        {
            throw Refusal(text, path, error);
        }
        catch (Exception error) when (error is not (PeftException or OutOfMemoryException))
        {
            // The library has no words of its own for some texts and fails on its way: at an argument, a state, a number, an index.
            throw new PeftException(
                $"{path}:{events.Line}: not valid YAML: a '{{' or '[' is not closed, or something else does not end where it should; "
                    + "look for an open quote, a tab, text after a '}' or ']', or an '&', '*' or '!' that should be quoted",
                error
            );
        }
    }

    /// <summary>The text of a YAML file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">What it should be, for messages: <c>run file</c>.</param>
    /// <exception cref="PeftException">It is absent, a folder, unreadable, or no text.</exception>
    public static string ReadText(string path, string kind)
    {
        if (Directory.Exists(path)) throw new PeftException($"{path} is a folder; name a {kind} (YAML)");
        if (!File.Exists(path)) throw new PeftException($"{kind} {path} not found");
        try
        {
            var text = ReadAtMost(path, kind);
            return text.Contains('\0', StringComparison.Ordinal)
                ? throw new PeftException($"{path}: no text but a binary file, or UTF-16 without its mark; a {kind} is YAML in UTF-8")
                : text;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{kind} {path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>A device or a mistaken name may have no end.</summary>
    private static string ReadAtMost(string path, string kind)
    {
        using var reader = new StreamReader(path);
        var text = new char[LongestText + 1];
        var length = reader.ReadBlock(text);
        return length <= LongestText
            ? new string(text, 0, length)
            : throw TooLong(path, kind);
    }

    private static PeftException TooLong(string path, string kind) =>
        new($"{path}: longer than {LongestText:N0} characters; a {kind} is a page of YAML");

    private static PeftException Refusal(string text, string path, YamlException error)
    {
        var reason = error.InnerException?.Message ?? error.Message;
        var line = error.Start.Line;
        var lines = text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        var last = (int)Math.Clamp(line, 1, lines.Length);
        if (!reason.Contains("tab", StringComparison.Ordinal)) return new PeftException($"{path}:{last}: not valid YAML: {reason}", error);
        // The parser names where the structure begins that the tab is in.
        var at = Array.FindIndex(lines, last - 1, IsIndentedByTab);
        return new PeftException($"{path}:{(at < 0 ? last : at + 1)}: not valid YAML: a tab in the indentation; indent by spaces", error);
    }

    private static bool IsIndentedByTab(string line) => line.AsSpan(0, line.Length - line.AsSpan().TrimStart(" \t").Length).Contains('\t');
}
