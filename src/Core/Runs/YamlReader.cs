using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>Reads YAML text; whatever the text holds, what is wrong with it is said with file and line.</summary>
public static class YamlReader
{
    // A run file is four levels deep; text that nests without end would exhaust the stack of whoever walks it.
    private const int DeepestLevel = 64;

    /// <summary>The documents of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="path">Its file, for messages.</param>
    /// <exception cref="PeftException">The text is no YAML, nests too deep, or contains itself.</exception>
    public static IReadOnlyList<YamlDocument> Read(string text, string path)
    {
        CheckNesting(text, path);
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            return [.. stream.Documents];
        }
        catch (YamlException error)
        {
            throw Refusal(text, path, error);
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
            var text = File.ReadAllText(path);
            return text.Contains('\0', StringComparison.Ordinal)
                ? throw new PeftException($"{path}: no text but a binary file, or UTF-16 without its mark; a {kind} is YAML in UTF-8")
                : text;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{kind} {path} cannot be read: {error.Message}", error);
        }
    }

    private static void CheckNesting(string text, string path)
    {
        var parser = new Parser(new StringReader(text));
        var open = new Stack<AnchorName>();
        var line = 1L;
        try
        {
            while (parser.MoveNext())
            {
                line = parser.Current!.End.Line;
                switch (parser.Current)
                {
                    case MappingStart or SequenceStart:
                        open.Push(((NodeEvent)parser.Current).Anchor);
                        if (open.Count > DeepestLevel) throw new PeftException($"{path}:{line}: nested deeper than {DeepestLevel} levels");
                        break;
                    case MappingEnd or SequenceEnd:
                        open.Pop();
                        break;
                    case AnchorAlias alias when open.Contains(alias.Value):
                        throw new PeftException(
                            $"{path}:{line}: *{alias.Value} stands inside what &{alias.Value} names: the text contains itself; write it out"
                        );
                }
            }
        }
        catch (YamlException error)
        {
            throw Refusal(text, path, error);
        }
        catch (InvalidOperationException error)
        {
            // The parser's own words for a bracket that is still open where the next key begins.
            throw new PeftException($"{path}:{line}: not valid YAML: a '{{' or '[' is not closed", error);
        }
    }

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
