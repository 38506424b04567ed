using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Texts taken apart.</summary>
internal static class Splitting
{
    /// <summary><c>split</c> and <c>rsplit</c>.</summary>
    public static ListValue Split(string text, Arguments arguments, bool fromRight, Meter meter)
    {
        var given = arguments.Bind(fromRight ? "rsplit" : "split", "sep", "maxsplit");
        var most = ReferenceEquals(given[1], Arguments.Absent) ? -1 : Types.Count(given[1], "maxsplit");
        var separator = ReferenceEquals(given[0], Arguments.Absent) || given[0] is null ? null : Types.RequireText(given[0], "split");
        if (separator?.Length == 0) throw JinjaException.Impossible("empty separator");
        meter.Search(text.Length, separator?.Length ?? 1);
        if (most < 0) most = int.MaxValue;
        var parts = (separator, fromRight) switch
        {
            (null, false) => Words(text, most),
            (null, true) => WordsFromRight(text, most),
            (_, false) => Parts(text, separator, most),
            _ => PartsFromRight(text, separator, most),
        };
        meter.Step(parts.Count);
        return new ListValue([.. parts]);
    }

    /// <summary>Lines, at all of Python's ends of lines.</summary>
    public static object?[] Lines(string text, bool keepEnds, Meter meter)
    {
        meter.Read(text.Length);
        var lines = new List<object?>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('\n' or '\r' or '\v' or '\f' or (>= '\x1c' and <= '\x1e') or '\x85' or '\u2028' or '\u2029')) continue;
            var end = i;
            if (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n') i++;
            lines.Add(text[start..(keepEnds ? i + 1 : end)]);
            start = i + 1;
        }

        if (start < text.Length) lines.Add(text[start..]);
        meter.Step(lines.Count);
        return [.. lines];
    }

    /// <summary><c>partition</c> and <c>rpartition</c>.</summary>
    public static TupleValue Partition(string text, Arguments arguments, bool last, Meter meter)
    {
        var separator = Types.RequireText(arguments.OnlyPositional("partition", 1, 1)[0], "partition");
        if (separator.Length == 0) throw JinjaException.Impossible("empty separator");
        meter.Search(text.Length, separator.Length);
        var at = last ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        if (at < 0) return last ? new TupleValue("", "", text) : new TupleValue(text, "", "");
        return new TupleValue(text[..at], separator, text[(at + separator.Length)..]);
    }

    /// <summary><c>expandtabs</c>.</summary>
    public static string ExpandTabs(string text, Arguments arguments, Meter meter)
    {
        var given = arguments.Bind("expandtabs", "tabsize")[0];
        var size = ReferenceEquals(given, Arguments.Absent) ? 8 : Types.Count(given, "expandtabs");
        meter.Write(text.Length + (long)text.Count('\t') * Math.Max(0, size));
        var made = new StringBuilder();
        var column = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == '\t')
            {
                var blanks = size <= 0 ? 0 : size - column % size;
                made.Append(' ', blanks);
                column += blanks;
                continue;
            }

            made.Append(rune.ToString());
            column = rune.Value is '\n' or '\r' ? 0 : column + 1;
        }

        return made.ToString();
    }

    private static List<object?> Parts(string text, string separator, int most)
    {
        var parts = new List<object?>();
        var start = 0;
        for (; most > 0; most--)
        {
            var at = text.IndexOf(separator, start, StringComparison.Ordinal);
            if (at < 0) break;
            parts.Add(text[start..at]);
            start = at + separator.Length;
        }

        parts.Add(text[start..]);
        return parts;
    }

    private static List<object?> PartsFromRight(string text, string separator, int most)
    {
        var parts = new List<object?>();
        var end = text.Length;
        for (; most > 0; most--)
        {
            var at = text.AsSpan(0, end).LastIndexOf(separator);
            if (at < 0) break;
            parts.Add(text[(at + separator.Length)..end]);
            end = at;
        }

        parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    private static List<object?> Words(string text, int most)
    {
        var words = new List<object?>();
        var i = 0;
        while (true)
        {
            while (i < text.Length && PythonText.IsSpace(text[i])) i++;
            if (i == text.Length) return words;
            if (most-- == 0)
            {
                words.Add(PythonText.Strip(text[i..], null, left: false, right: true));
                return words;
            }

            var start = i;
            while (i < text.Length && !PythonText.IsSpace(text[i])) i++;
            words.Add(text[start..i]);
        }
    }

    private static List<object?> WordsFromRight(string text, int most)
    {
        var words = new List<object?>();
        var i = text.Length;
        while (true)
        {
            while (i > 0 && PythonText.IsSpace(text[i - 1])) i--;
            if (i == 0) break;
            if (most-- == 0)
            {
                words.Add(PythonText.Strip(text[..i], null, left: true, right: false));
                break;
            }

            var end = i;
            while (i > 0 && !PythonText.IsSpace(text[i - 1])) i--;
            words.Add(text[i..end]);
        }

        words.Reverse();
        return words;
    }
}
