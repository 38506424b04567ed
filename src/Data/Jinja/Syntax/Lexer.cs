using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>
/// Takes a template apart, with <c>trim_blocks</c> and <c>lstrip_blocks</c>; ends of lines become <c>\n</c>, and one at the end is dropped.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] Signs =
    [
        "//", "**", "==", "!=", ">=", "<=",
        "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly string source;
    private readonly List<Token> tokens = [];
    private readonly Stack<char> open = new();
    private int at;
    private int line = 1;

    // Whether what was read last ends a line.
    private bool lineStarts = true;

    private Lexer(string text)
    {
        text = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        source = text.EndsWith('\n') ? text[..^1] : text;
    }

    /// <summary>The tokens of a template, an end last.</summary>
    /// <exception cref="JinjaException">It is not written as a template is.</exception>
    public static List<Token> Read(string text)
    {
        var lexer = new Lexer(text);
        lexer.ReadAll();
        return lexer.tokens;
    }

    private void ReadAll()
    {
        while (at < source.Length)
        {
            var start = NextTag();
            if (start < 0)
            {
                Add(TokenKind.Data, source[at..]);
                break;
            }

            var data = source[at..start];
            var tag = source[start + 1];
            var sign = start + 2 < source.Length && source[start + 2] is '-' or '+' ? source[start + 2] : '\0';
            Add(TokenKind.Data, WithoutBlanks(data, sign, strips: tag != '{'));
            Advance(start + (sign == 0 ? 2 : 3));
            switch (tag)
            {
                case '#': ReadComment(); break;
                case '{': ReadTag(TokenKind.PrintBegin, TokenKind.PrintEnd, '}'); break;
                default:
                    if (!ReadRaw()) ReadTag(TokenKind.BlockBegin, TokenKind.BlockEnd, '%');
                    break;
            }

            lineStarts = at > 0 && source[at - 1] == '\n';
        }

        tokens.Add(new Token(TokenKind.End, "", line));
    }

    private int NextTag()
    {
        for (var i = at; (i = source.IndexOf('{', i)) >= 0 && i + 1 < source.Length; i++)
        {
            if (source[i + 1] is '{' or '%' or '#') return i;
        }

        return -1;
    }

    // A minus takes all blanks; lstrip_blocks takes those before a tag that stands first on its line.
    private string WithoutBlanks(string data, char sign, bool strips)
    {
        if (sign == '-') return PythonText.Strip(data, null, left: false, right: true);
        if (sign == '+' || !strips) return data;
        var start = data.LastIndexOf('\n') + 1;
        if (start == 0 && !lineStarts) return data;
        return start < data.Length && data.AsSpan(start).ToString().All(PythonText.IsSpace) ? data[..start] : data;
    }

    private void ReadComment()
    {
        var end = source.IndexOf("#}", at, StringComparison.Ordinal);
        if (end < 0) throw Wrong("Missing end of comment tag");
        // {#-#} has no sign at its end.
        var sign = end > at ? source[end - 1] : '\0';
        Advance(end + 2);
        EndTag(sign, trims: true);
    }

    /// <summary>Reads <c>raw</c>, after the begin of a tag; false: it is another.</summary>
    private bool ReadRaw()
    {
        var i = SkipBlanks(at);
        if (!source.AsSpan(i).StartsWith("raw")) return false;
        i = SkipBlanks(i + 3);
        var minus = i < source.Length && source[i] == '-';
        if (!source.AsSpan(minus ? i + 1 : i).StartsWith("%}")) return false;
        Advance(i + (minus ? 3 : 2));
        if (minus) Advance(SkipBlanks(at));
        lineStarts = source[at - 1] == '\n';
        for (var start = at; (start = source.IndexOf("{%", start, StringComparison.Ordinal)) >= 0; start += 2)
        {
            var sign = start + 2 < source.Length && source[start + 2] is '-' or '+' ? source[start + 2] : '\0';
            var end = SkipBlanks(start + (sign == 0 ? 2 : 3));
            if (!source.AsSpan(end).StartsWith("endraw")) continue;
            end = SkipBlanks(end + 6);
            var last = end < source.Length && source[end] is '-' or '+' ? source[end] : '\0';
            if (last != 0) end++;
            if (!source.AsSpan(end).StartsWith("%}")) continue;
            Add(TokenKind.Data, WithoutBlanks(source[at..start], sign, strips: true));
            Advance(end + 2);
            EndTag(last, trims: true);
            return true;
        }

        throw Wrong("Missing end of raw directive");
    }

    private void ReadTag(TokenKind begin, TokenKind end, char mark)
    {
        tokens.Add(new Token(begin, "", line));
        while (true)
        {
            if (at >= source.Length) throw Wrong("unexpected end of template");
            if (PythonText.IsSpace(source[at]))
            {
                Advance(SkipBlanks(at));
                continue;
            }

            if (open.Count == 0)
            {
                var sign = source[at] == '-' || (source[at] == '+' && mark == '%') ? source[at] : '\0';
                var close = at + (sign == 0 ? 0 : 1);
                if (close + 1 < source.Length && source[close] == mark && source[close + 1] == '}')
                {
                    tokens.Add(new Token(end, "", line));
                    Advance(close + 2);
                    EndTag(sign, trims: mark == '%');
                    return;
                }
            }

            ReadToken();
        }
    }

    // Blanks after a minus go, and after a block one end of line.
    private void EndTag(char sign, bool trims)
    {
        if (sign == '-') Advance(SkipBlanks(at));
        else if (trims && sign != '+' && at < source.Length && source[at] == '\n') Advance(at + 1);
    }

    private void ReadToken()
    {
        var unit = source[at];
        if (unit is '\'' or '"')
        {
            ReadText(unit);
        }
        else if (char.IsAsciiDigit(unit))
        {
            var (kind, length) = Numbers.Measure(source, at);
            Add(kind, source.Substring(at, length));
            at += length;
        }
        else if (Letters.IsNamePart(unit))
        {
            var end = at + 1;
            while (end < source.Length && Letters.IsNamePart(source[end])) end++;
            if (!Letters.IsIdentifier(source[at..end])) throw Wrong("Invalid character in identifier");
            Add(TokenKind.Name, source[at..end]);
            at = end;
        }
        else
        {
            var sign = Array.Find(Signs, sign => source.AsSpan(at).StartsWith(sign)) ?? throw Wrong($"unexpected char '{unit}' at {at}");
            Balance(sign);
            Add(TokenKind.Sign, sign);
            at += sign.Length;
        }
    }

    private void ReadText(char quote)
    {
        var end = at + 1;
        while (end < source.Length && source[end] != quote) end += source[end] == '\\' ? 2 : 1;
        if (end >= source.Length) throw Wrong($"unexpected char '{quote}' at {at}: the text is not closed");
        var start = line;
        var text = Escapes.Read(source[(at + 1)..end], line);
        Advance(end + 1);
        tokens.Add(new Token(TokenKind.Text, text, start));
    }

    private void Balance(string sign)
    {
        if (sign is "(" or "[" or "{") open.Push(sign[0] switch { '(' => ')', '[' => ']', _ => '}' });
        if (sign is not (")" or "]" or "}")) return;
        if (!open.TryPop(out var expected)) throw Wrong($"unexpected '{sign}'");
        if (expected != sign[0]) throw Wrong($"unexpected '{sign}', expected '{expected}'");
    }

    private int SkipBlanks(int from)
    {
        while (from < source.Length && PythonText.IsSpace(source[from])) from++;
        return from;
    }

    private void Advance(int to)
    {
        line += source.AsSpan(at, to - at).Count('\n');
        at = to;
    }

    private void Add(TokenKind kind, string text)
    {
        if (kind != TokenKind.Data || text.Length > 0) tokens.Add(new Token(kind, text, line));
    }

    private JinjaException Wrong(string message) => new(JinjaFailure.Syntax, message) { Line = line };
}
