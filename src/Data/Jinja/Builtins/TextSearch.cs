using System.Numerics;
using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Finding, counting and replacing within texts.</summary>
internal static class TextSearch
{
    /// <summary>A text with others in place of some; a count below 0 replaces all.</summary>
    public static string Replace(string text, string old, string by, int count, Meter meter)
    {
        meter.Search(text.Length, old.Length);
        if (count == 0) return text;
        if (old.Length > 0)
        {
            var most = text.Length / old.Length;
            if (count > 0) most = Math.Min(most, count);
            // What it could at most become is counted only where it could be much.
            if ((long)most * by.Length > text.Length * 4L) most = Math.Min(most, Occurrences(text, old));
            meter.Write(text.Length + (long)most * Math.Max(0, by.Length - old.Length));
            if (count < 0) return text.Replace(old, by, StringComparison.Ordinal);
        }
        else
        {
            meter.Write(text.Length + (text.Length + 1L) * by.Length);
        }

        var made = new StringBuilder();
        var from = 0;
        while (count != 0)
        {
            if (old.Length == 0)
            {
                made.Append(by);
                if (from == text.Length) return made.ToString();
                var size = from + 1 < text.Length && char.IsSurrogatePair(text[from], text[from + 1]) ? 2 : 1;
                made.Append(text, from, size);
                from += size;
            }
            else
            {
                var at = text.IndexOf(old, from, StringComparison.Ordinal);
                if (at < 0) break;
                made.Append(text, from, at - from).Append(by);
                from = at + old.Length;
            }

            count--;
        }

        return made.Append(text, from, text.Length - from).ToString();
    }

    /// <summary>Where a text stands in another, in code points; −1: nowhere.</summary>
    public static object Find(string text, Arguments arguments, string name, bool last, Meter meter)
    {
        var given = arguments.OnlyPositional(name, 1, 3);
        var sought = Types.RequireText(given[0], name);
        meter.Search(text.Length, sought.Length);
        if (Window(text, given, out var start) is not { } window) return -1L;
        var at = last
            ? sought.Length == 0 ? window.Length : window.LastIndexOf(sought, StringComparison.Ordinal)
            : window.IndexOf(sought, StringComparison.Ordinal);
        return at < 0 ? -1L : start + (long)PythonText.Length(window.AsSpan(0, at));
    }

    /// <summary>How often a text stands in another.</summary>
    public static object Count(string text, Arguments arguments, Meter meter)
    {
        var given = arguments.OnlyPositional("count", 1, 3);
        var sought = Types.RequireText(given[0], "count");
        meter.Search(text.Length, sought.Length);
        if (Window(text, given, out _) is not { } window) return 0L;
        return sought.Length == 0 ? PythonText.Length(window) + 1L : Occurrences(window, sought);
    }

    /// <summary>The part of a text between the second and the third argument; null: it begins behind the text's end.</summary>
    public static string? Window(string text, object?[] given, out long start)
    {
        start = 0;
        if (given.Length < 2) return text;
        var length = PythonText.Length(text);
        var from = Bound(given[1], 0);
        var to = given.Length > 2 ? Bound(given[2], length) : length;
        start = from;
        if (from > length || from > to) return null;
        to = Math.Min(to, length);
        return PythonText.IsSimple(text) ? text[from..to] : string.Concat(PythonText.CodePoints(text)[from..to]);

        int Bound(object? value, int absent)
        {
            if (value is null) return absent;
            var number = new BigInteger(Types.Count(value, "a bound"));
            return (int)BigInteger.Clamp(number.Sign < 0 ? number + length : number, 0, int.MaxValue);
        }
    }

    private static int Occurrences(string text, string sought)
    {
        var count = 0;
        for (var at = 0; (at = text.IndexOf(sought, at, StringComparison.Ordinal)) >= 0; at += sought.Length) count++;
        return count;
    }
}
