using System.Text;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Texts as Python sees them: sequences of code points.</summary>
internal static class PythonText
{
    /// <summary>Whether each UTF-16 unit is a code point of its own.</summary>
    public static bool IsSimple(ReadOnlySpan<char> text) => text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0;

    /// <summary>Number of code points.</summary>
    public static int Length(ReadOnlySpan<char> text)
    {
        var length = text.Length;
        for (var i = text.IndexOfAnyInRange('\uD800', '\uDFFF'); i >= 0 && i + 1 < text.Length; i++)
        {
            if (!char.IsSurrogatePair(text[i], text[i + 1])) continue;
            length--;
            i++;
        }

        return length;
    }

    /// <summary>Each code point as a text.</summary>
    public static string[] CodePoints(string text)
    {
        var points = new List<string>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            points.Add(pair ? text.Substring(i++, 2) : text[i].ToString());
        }

        return [.. points];
    }

    /// <summary>Python's <c>isspace</c> of one unit.</summary>
    public static bool IsSpace(char unit) => char.IsWhiteSpace(unit) || unit is >= '\x1c' and <= '\x1f';

    /// <summary>A text without blanks, or other characters, at its ends.</summary>
    /// <param name="text">The text.</param>
    /// <param name="characters">What to take away; null: blanks.</param>
    /// <param name="left">Whether at the beginning.</param>
    /// <param name="right">Whether at the end.</param>
    public static string Strip(string text, string? characters, bool left, bool right)
    {
        var (start, end) = (0, text.Length);
        if (characters is null)
        {
            while (left && start < end && IsSpace(text[start])) start++;
            while (right && end > start && IsSpace(text[end - 1])) end--;
        }
        else if (IsSimple(characters))
        {
            while (left && start < end && characters.Contains(text[start])) start++;
            while (right && end > start && characters.Contains(text[end - 1])) end--;
        }
        else
        {
            var set = CodePoints(characters).ToHashSet();
            var points = CodePoints(text);
            var (first, last) = (0, points.Length);
            while (left && first < last && set.Contains(points[first])) start += points[first++].Length;
            while (right && last > first && set.Contains(points[last - 1])) end -= points[--last].Length;
        }

        return start == 0 && end == text.Length ? text : text[start..end];
    }

    /// <summary>Repeats a text.</summary>
    public static string Repeat(string text, long times, Meter meter)
    {
        if (times <= 0 || text.Length == 0) return "";
        meter.Write(times > Meter.MostText ? times : text.Length * times);
        return new StringBuilder(text.Length * (int)times).Insert(0, text, (int)times).ToString();
    }

    /// <summary>Escapes a text for HTML.</summary>
    public static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal);
}
