using System.Globalization;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// The shape of a regex in Oniguruma's Ruby syntax, as much of it as decides how often a search goes back: single characters (a literal, a
/// class), places, sequences, alternatives, repetitions.
/// </summary>
internal abstract record RegexShape
{
    /// <summary>One character, as it is written.</summary>
    internal sealed record Character(string Text) : RegexShape;

    /// <summary>A place that takes no character; what a look-around looks for, if it is one.</summary>
    internal sealed record Place(RegexShape? Inner) : RegexShape;

    /// <summary>One after the other.</summary>
    internal sealed record Sequence(IReadOnlyList<RegexShape> Items) : RegexShape;

    /// <summary>One of several.</summary>
    internal sealed record Alternatives(IReadOnlyList<RegexShape> Items) : RegexShape;

    /// <summary>Again and again.</summary>
    /// <param name="Body">What.</param>
    /// <param name="Least">At least so often.</param>
    /// <param name="Most">At most so often.</param>
    /// <param name="GoesBack">Whether fewer are tried when the rest does not fit: not so of possessive and atomic ones.</param>
    internal sealed record Repetition(RegexShape Body, int Least, int Most, bool GoesBack) : RegexShape;

    /// <summary>Reads a regex; null where it is not understood, which the library then judges alone.</summary>
    internal static RegexShape? Read(string regex)
    {
        var reader = new Reader(regex);
        try
        {
            var shape = reader.Alternatives();
            return reader.AtEnd ? shape : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private sealed class Reader(string regex)
    {
        // Deeper is nobody's tokenizer, and the stack has an end.
        private const int Deepest = 100;

        private int at;
        private int depth;

        internal bool AtEnd => at == regex.Length;

        internal RegexShape Alternatives()
        {
            if (++depth > Deepest) throw new FormatException();
            var items = new List<RegexShape> { Sequence() };
            while (Takes("|")) items.Add(Sequence());
            depth--;
            return items is [var only] ? only : new Alternatives(items);
        }

        private RegexShape Sequence()
        {
            var items = new List<RegexShape>();
            while (!AtEnd && regex[at] is not ('|' or ')'))
            {
                var item = Atom();
                while (Quantifier(item) is { } repeated) item = repeated;
                items.Add(item);
            }

            return items is [var only] ? only : new Sequence(items);
        }

        private RegexShape Atom()
        {
            var start = at;
            switch (regex[at++])
            {
                case '(':
                    return Group();
                case '[':
                    SkipClass();
                    break;
                case '\\':
                    if (AtEnd) throw new FormatException();
                    var escaped = regex[at++];
                    if (escaped is 'b' or 'B' or 'A' or 'z' or 'Z' or 'G' or 'K') return new Place(null);
                    if (escaped is 'k' or 'g' || char.IsAsciiDigit(escaped)) throw new FormatException();
                    if (escaped is 'p' or 'P' or 'x' or 'u' && !AtEnd && regex[at] == '{') at = After('}');
                    else if (escaped is 'x' or 'u') at = Math.Min(regex.Length, at + (escaped == 'x' ? 2 : 4));
                    break;
                case '^' or '$':
                    return new Place(null);
            }

            return new Character(regex[start..at]);
        }

        private RegexShape Group()
        {
            string[] looks = ["?=", "?!", "?<=", "?<!"];
            var atomic = false;
            if (Array.Exists(looks, Takes))
            {
                var inner = Alternatives();
                Close();
                return new Place(inner);
            }

            if (Takes("?>")) atomic = true;
            else if (Takes("?<") || Takes("?'")) at = After(regex[at - 1] == '<' ? '>' : '\'');
            else if (Takes("?"))
            {
                while (!AtEnd && (char.IsAsciiLetter(regex[at]) || regex[at] == '-')) at++;
                // (?i) is for what follows it.
                if (Takes(")")) return new Place(null);
                if (!Takes(":")) throw new FormatException();
            }

            var body = Alternatives();
            Close();
            return atomic ? new Repetition(body, 1, 1, GoesBack: false) : body;
        }

        private Repetition? Quantifier(RegexShape body)
        {
            if (AtEnd) return null;
            var (least, most, start) = (0, int.MaxValue, at);
            switch (regex[at])
            {
                case '*': at++; break;
                case '+': (at, least) = (at + 1, 1); break;
                case '?': (at, most) = (at + 1, 1); break;
                case '{' when Bounds() is { } bounds: (least, most) = bounds; break;
                default: return null;
            }

            var braces = regex[start] == '{';
            if (Takes("?")) return new Repetition(body, least, most, GoesBack: true);
            return new Repetition(body, least, most, GoesBack: braces || !Takes("+"));
        }

        private (int Least, int Most)? Bounds()
        {
            var end = regex.IndexOf('}', at);
            if (end < 0) return null;
            var parts = regex[(at + 1)..end].Split(',');
            if (parts.Length > 2 || !Array.TrueForAll(parts, static part => part.All(char.IsAsciiDigit)) || parts.All(string.IsNullOrEmpty))
                return null;
            at = end + 1;
            var least = Number(parts[0], 0);
            return (least, parts.Length == 1 ? least : Number(parts[1], int.MaxValue));

            static int Number(string text, int absent) =>
                text.Length == 0 ? absent
                : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
                : int.MaxValue;
        }

        private void SkipClass()
        {
            if (Takes("^") && Takes("]")) { }
            else Takes("]");
            for (var open = 1; open > 0; at++)
            {
                if (AtEnd) throw new FormatException();
                if (regex[at] == '\\') at++;
                else if (regex[at] == '[') open++;
                else if (regex[at] == ']') open--;
            }

            if (at > regex.Length) throw new FormatException();
        }

        private bool Takes(string text)
        {
            if (string.CompareOrdinal(regex, at, text, 0, text.Length) != 0) return false;
            at += text.Length;
            return true;
        }

        private int After(char end) => regex.IndexOf(end, at) is var found and >= 0 ? found + 1 : throw new FormatException();

        private void Close()
        {
            if (!Takes(")")) throw new FormatException();
        }
    }
}
