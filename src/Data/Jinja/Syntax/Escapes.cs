using System.Globalization;
using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Escapes in texts, as Python has them.</summary>
internal static class Escapes
{
    /// <summary>A text without its escapes.</summary>
    public static string Read(string text, int line)
    {
        if (!text.Contains('\\')) return text;
        var made = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                made.Append(text[i]);
                continue;
            }

            var letter = text[++i];
            switch (letter)
            {
                case '\n': break;
                case 'n': made.Append('\n'); break;
                case 't': made.Append('\t'); break;
                case 'r': made.Append('\r'); break;
                case 'a': made.Append('\a'); break;
                case 'b': made.Append('\b'); break;
                case 'f': made.Append('\f'); break;
                case 'v': made.Append('\v'); break;
                case '\\' or '\'' or '"': made.Append(letter); break;
                case 'x': Append(2); break;
                case 'u': Append(4); break;
                case 'U': Append(8); break;
                case 'N': throw Wrong("names of characters (\\N{…}) are not known here; write \\u and the number");
                case >= '0' and <= '7':
                    var end = i + 1;
                    while (end < text.Length && end < i + 3 && text[end] is >= '0' and <= '7') end++;
                    made.Append((char)text[i..end].Aggregate(0, static (value, digit) => value * 8 + digit - '0'));
                    i = end - 1;
                    break;
                default: made.Append('\\').Append(letter); break;
            }

            void Append(int digits)
            {
                var number = text.AsSpan(Math.Min(i + 1, text.Length), Math.Min(digits, text.Length - i - 1));
                if (number.Length < digits
                    || !int.TryParse(number, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var point)
                    || point is < 0 or > 0x10ffff)
                    throw Wrong($"truncated \\{letter} escape");
                made.Append(point < 0x10000 ? ((char)point).ToString() : char.ConvertFromUtf32(point));
                i += digits;
            }
        }

        return made.ToString();

        JinjaException Wrong(string message) => new(JinjaFailure.Syntax, message) { Line = line };
    }
}
