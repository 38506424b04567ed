using System.Globalization;
using System.Numerics;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Filters of numbers.</summary>
internal static class NumberFilters
{
    public static readonly Dictionary<string, Filter> Table = new()
    {
        ["abs"] = static (_, value, _) => value switch
        {
            double number => Math.Abs(number),
            _ when Types.IsWhole(value, out var whole) => Types.Whole(BigInteger.Abs(whole)),
            _ => throw (value as Undefined)?.Error() ?? JinjaException.Impossible($"bad operand type for abs(): '{Types.Name(value)}'"),
        },
        ["int"] = Int,
        ["float"] = Float,
        ["round"] = Round,
        ["filesizeformat"] = FileSize,
    };

    /// <summary>A text as a float, as Python reads it; null: it is none.</summary>
    public static double? ParseReal(string text)
    {
        text = Digits(PythonText.Strip(text, null, left: true, right: true));
        var word = text.TrimStart('+', '-');
        if (text.Length - word.Length > 1) return null;
        var sign = text.StartsWith('-') ? -1 : 1;
        if (word.Equals("inf", StringComparison.OrdinalIgnoreCase) || word.Equals("infinity", StringComparison.OrdinalIgnoreCase))
            return sign * double.PositiveInfinity;
        if (word.Equals("nan", StringComparison.OrdinalIgnoreCase)) return double.NaN;
        if (word.Length == 0 || !(char.IsAsciiDigit(word[0]) || word[0] == '.')) return null;
        const NumberStyles Style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(word, Style, CultureInfo.InvariantCulture, out var number) ? sign * number : null;
    }

    /// <summary>A text as a whole number, as Python reads it; null: it is none.</summary>
    public static BigInteger? ParseWhole(string text, int radix)
    {
        text = Digits(PythonText.Strip(text, null, left: true, right: true));
        if (text.Length == 0 || text.Length > 5000) return null;
        var negative = text[0] == '-';
        if (text[0] is '-' or '+') text = text[1..];
        var letter = text.Length > 1 && text[0] == '0' ? char.ToLowerInvariant(text[1]) : '\0';
        var prefix = letter switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 };
        if (prefix != 0 && (radix == prefix || radix == 0)) (text, radix) = (text[2..].TrimStart('_'), prefix);
        else if (radix == 0 && text.Length > 1 && text[0] == '0' && text.Trim('0', '_').Length > 0) return null;
        else if (radix == 0) radix = 10;
        if (text.Length == 0 || text[0] == '_' || text[^1] == '_' || text.Contains("__", StringComparison.Ordinal)) return null;
        var number = BigInteger.Zero;
        foreach (var unit in text)
        {
            if (unit == '_') continue;
            var digit = char.IsAsciiDigit(unit) ? unit - '0' : char.IsAsciiLetter(unit) ? char.ToLowerInvariant(unit) - 'a' + 10 : 99;
            if (digit >= radix) return null;
            number = number * radix + digit;
        }

        return negative ? -number : number;
    }

    /// <summary>A float rounded as Python's <c>round</c> does: exactly, halves to even.</summary>
    public static double RoundReal(double value, int precision)
    {
        if (!double.IsFinite(value) || value == 0 || precision > 22) return value;
        if (precision < -308) return 0 * value;
        var rounded = precision >= 0 ? ExactDecimal.Fixed(value, precision) : RoundTens(value, -precision);
        return Math.CopySign(double.Parse(rounded, NumberStyles.Float, CultureInfo.InvariantCulture), value);
    }

    private static string RoundTens(double value, int tens)
    {
        var unit = BigInteger.Pow(10, tens);
        var whole = new BigInteger(Math.Truncate(value));
        return RoundWhole(whole, unit, exact: value == Math.Truncate(value)).ToString(CultureInfo.InvariantCulture);
    }

    private static BigInteger RoundWhole(BigInteger whole, BigInteger unit, bool exact)
    {
        var quotient = BigInteger.DivRem(BigInteger.Abs(whole), unit, out var rest);
        var order = (rest * 2).CompareTo(unit);
        if (order > 0 || (order == 0 && (!exact || !quotient.IsEven))) quotient += 1;
        return quotient * unit * whole.Sign;
    }

    // Digits of other scripts count as well, and so does one underscore between digits.
    private static string Digits(string text)
    {
        if (System.Text.Ascii.IsValid(text)) return text;
        return string.Concat(text.EnumerateRunes().Select(static rune => Letters.IsDecimal(rune)
            ? ((int)System.Text.Rune.GetNumericValue(rune)).ToString(CultureInfo.InvariantCulture)
            : rune.ToString()));
    }

    private static object? Int(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("int", "default", "base");
        var radix = Filters.Count(given[1], 10, "int");
        if (radix is not 0 and (< 2 or > 36)) throw JinjaException.Impossible("int() base must be >= 2 and <= 36, or 0");
        var absent = Filters.Given(given[0]) ? given[0] : 0L;
        if (Types.IsWhole(value, out var whole)) return Types.Whole(whole);
        if (value is Undefined undefined) throw undefined.Error();
        if (Types.Text(value) is { } text)
        {
            meter.Search(text.Length, 64);
            if (ParseWhole(text, radix) is { } number) return Types.Whole(number);
            value = ParseReal(Underscored(text));
        }

        if (value is not double real || double.IsNaN(real)) return absent;
        return double.IsFinite(real) ? Types.Whole(new BigInteger(real)) : absent;
    }

    private static object? Float(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("float", "default");
        if (Arithmetic.IsNumber(value)) return Arithmetic.Real(value);
        if (value is Undefined undefined) throw undefined.Error();
        meter.Read(Types.Text(value)?.Length ?? 0);
        return Types.Text(value) is { } text && ParseReal(Underscored(text)) is { } number
            ? number
            : Filters.Given(given[0]) ? given[0] : 0.0;
    }

    private static string Underscored(string text) =>
        text.Contains('_') && !text.StartsWith('_') && !text.EndsWith('_') && !text.Contains("__", StringComparison.Ordinal)
            ? text.Replace("_", "", StringComparison.Ordinal)
            : text;

    private static object? Round(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("round", "precision", "method");
        var precision = Filters.Count(given[0], 0, "round");
        var method = Filters.Given(given[1]) ? Types.Text(given[1]) : "common";
        if (method is not ("common" or "ceil" or "floor")) throw JinjaException.Impossible("method must be common, ceil or floor");
        if (!Arithmetic.IsNumber(value))
            throw (value as Undefined)?.Error() ?? JinjaException.Impossible($"type {Types.Name(value)} doesn't define __round__ method");
        if (method == "common")
        {
            if (!Types.IsWhole(value, out var whole)) return RoundReal((double)value!, precision);
            if (precision >= 0) return Types.Whole(whole);
            return precision < -6000 ? 0L : Types.Whole(RoundWhole(whole, BigInteger.Pow(10, -precision), exact: true));
        }

        if (Math.Abs(precision) > 300) throw JinjaException.Impossible("round() has too many digits");
        var scale = Arithmetic.Power(10L, (long)precision);
        var scaled = Arithmetic.Real(Arithmetic.Multiply(value, scale, meter));
        // Python rounds to a whole number, which has no negative zero.
        return ((method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) + 0.0) / Arithmetic.Real(scale);
    }

    private static object? FileSize(Meter meter, object? value, Arguments arguments)
    {
        var binary = Filters.Flag(arguments.Bind("filesizeformat", "binary")[0]);
        var bytes = Float(meter, value, new Arguments([null], [])) as double? ?? throw JinjaException.Impossible(
            $"filesizeformat needs a number, not '{Types.Name(value)}'");
        double unit = binary ? 1024 : 1000;
        if (bytes == 1) return "1 Byte";
        if (bytes < unit) return string.Create(CultureInfo.InvariantCulture, $"{(long)bytes} Bytes");
        var scale = unit * unit;
        var at = 0;
        for (; at < 7 && bytes >= scale; at++) scale *= unit;
        var prefix = binary ? "KMGTPEZY"[at] + "i" : "kMGTPEZY"[at].ToString();
        return $"{ExactDecimal.Fixed(unit * bytes / scale, 1)} {prefix}B";
    }
}
