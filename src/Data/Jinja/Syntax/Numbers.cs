using System.Globalization;
using System.Numerics;
using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Numbers as templates write them: <c>1_000</c>, <c>0x1f</c>, <c>1.5e-3</c>.</summary>
internal static class Numbers
{
    /// <summary>Kind and length of the number that stands at a digit.</summary>
    public static (TokenKind Kind, int Length) Measure(string source, int at)
    {
        var whole = Digits(source, at);
        var end = whole;
        var real = false;
        if (at == 0 || source[at - 1] != '.')
        {
            if (end + 1 < source.Length && source[end] == '.' && char.IsAsciiDigit(source[end + 1]))
                (end, real) = (Digits(source, end + 1), true);
            if (end < source.Length && source[end] is 'e' or 'E')
            {
                var power = end + 1 < source.Length && source[end + 1] is '+' or '-' ? end + 2 : end + 1;
                if (power < source.Length && char.IsAsciiDigit(source[power])) (end, real) = (Digits(source, power), true);
            }
        }

        if (real) return (TokenKind.Real, end - at);
        if (source[at] == '0' && at + 1 < source.Length)
        {
            Func<char, bool>? digit = char.ToLowerInvariant(source[at + 1]) switch
            {
                'x' => char.IsAsciiHexDigit,
                'o' => static unit => unit is >= '0' and <= '7',
                'b' => static unit => unit is '0' or '1',
                _ => null,
            };
            end = digit is null ? 0 : Run(source, at + 2, digit);
            if (end > at + 2) return (TokenKind.Whole, end - at);
        }

        // Zeros alone may begin with zero: of 012 the 0 is a number.
        if (source[at] == '0') whole = Run(source, at + 1, static unit => unit == '0');
        return (TokenKind.Whole, whole - at);
    }

    /// <summary>The value of a number's text.</summary>
    public static object Value(Token token)
    {
        var text = token.Text.Replace("_", "", StringComparison.Ordinal);
        if (token.Kind == TokenKind.Real) return double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        return Types.Whole(NumberFilters.ParseWhole(text, 0) ?? BigInteger.Zero);
    }

    private static int Digits(string source, int at) => Run(source, at, char.IsAsciiDigit);

    // Digits, with one underscore between two.
    private static int Run(string source, int at, Func<char, bool> digit)
    {
        while (at < source.Length && (digit(source[at]) || (source[at] == '_' && at + 1 < source.Length && digit(source[at + 1])))) at++;
        return at;
    }
}
