using System.Globalization;
using System.Numerics;
using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Python's <c>'%s of %d' % (…)</c>.</summary>
internal static class PercentFormat
{
    public static string Format(string format, object? value, Meter meter)
    {
        var values = value is TupleValue tuple ? tuple.Items : [value];
        var (made, next, at) = (new StringBuilder(), 0, 0);
        var named = false;
        while (at < format.Length)
        {
            var mark = format.IndexOf('%', at);
            if (mark < 0) mark = format.Length;
            made.Append(format, at, mark - at);
            at = mark + 1;
            if (mark == format.Length) break;
            meter.Step();
            var (flags, width, precision) = ("", 0, (int?)null);
            var hasName = false;
            object? item = null;
            if (Peek() == '(')
            {
                var end = format.IndexOf(')', at);
                if (end < 0) throw JinjaException.Impossible("incomplete format key");
                if (value is not DictValue names) throw JinjaException.Impossible("format requires a mapping");
                var key = format[(at + 1)..end];
                if (!names.TryGet(key, meter, out item)) throw JinjaException.Impossible($"'{key}'");
                (hasName, named) = (true, true);
                at = end + 1;
            }

            for (; "#0- +".Contains(Peek()); at++) flags += Peek();
            width = Number() ?? 0;
            if (width < 0) (flags, width) = (flags + '-', -width);
            if (Peek() == '.')
            {
                at++;
                precision = Math.Max(0, Number() ?? 0);
            }

            while (Peek() is 'h' or 'l' or 'L') at++;
            var type = Peek();
            at++;
            if (type == '\0') throw JinjaException.Impossible("incomplete format");
            made.Append(type == '%' ? "%" : Field(type, hasName ? item : Next(), flags, width, precision, meter));
            meter.Write(made.Length);
        }

        if (next < values.Length && !named && value is not (DictValue or ListValue or RangeValue))
            throw JinjaException.Impossible("not all arguments converted during string formatting");
        return made.ToString();

        char Peek() => at < format.Length ? format[at] : '\0';

        object? Next() => next < values.Length
            ? values[next++]
            : throw JinjaException.Impossible("not enough arguments for format string");

        int? Number()
        {
            if (Peek() == '*')
            {
                at++;
                return Math.Clamp(Types.Count(Next(), "*"), -FormatSpec.Widest, FormatSpec.Widest);
            }

            int? number = null;
            for (; char.IsAsciiDigit(Peek()); at++) number = Math.Min(FormatSpec.Widest + 1, (number ?? 0) * 10 + Peek() - '0');
            return number <= FormatSpec.Widest ? number : number is null ? null : throw JinjaException.Impossible("a field is too wide");
        }
    }

    private static string Field(char type, object? value, string flags, int width, int? precision, Meter meter)
    {
        var left = flags.Contains('-');
        if (type is 's' or 'r' or 'a')
        {
            var text = type == 's' ? Printing.Str(value, meter) : Printing.Repr(value, meter);
            if (precision is { } most && PythonText.Length(text) > most) text = string.Concat(PythonText.CodePoints(text)[..most]);
            return TextMethods.Pad(text, width, " ", left ? "ljust" : "rjust", meter);
        }

        if (type == 'c')
        {
            var letter = Types.Text(value) ?? (Types.IsWhole(value, out var code) && code >= 0 && code < 0x110000 && Rune.IsValid((int)code)
                ? char.ConvertFromUtf32((int)code)
                : "");
            if (PythonText.Length(letter) != 1) throw JinjaException.Impossible("%c requires int or char");
            return TextMethods.Pad(letter, width, " ", left ? "ljust" : "rjust", meter);
        }

        if (type is not ('d' or 'i' or 'u' or 'x' or 'X' or 'o' or 'e' or 'E' or 'f' or 'F' or 'g' or 'G'))
            throw JinjaException.Impossible($"unsupported format character '{type}' (0x{(int)type:x})");
        if (value is Undefined undefined) throw undefined.Error();
        if (!Arithmetic.IsNumber(value))
            throw JinjaException.Impossible($"%{type} format: a real number is required, not {Types.Name(value)}");
        var spec = new FormatSpec
        {
            Sign = flags.Contains('+') ? '+' : flags.Contains(' ') ? ' ' : '-',
            Alternate = flags.Contains('#'),
            Width = width,
            Align = left ? '<' : flags.Contains('0') ? '=' : '>',
            Fill = flags.Contains('0') && !left ? "0" : " ",
        };
        if (type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G')
            return (spec with { Type = type, Precision = precision ?? 6 }).Format(Arithmetic.Real(value), meter);
        if (value is double real)
        {
            if (type is 'x' or 'X' or 'o') throw JinjaException.Impossible($"%{type} format: an integer is required, not float");
            if (!double.IsFinite(real)) throw JinjaException.Impossible("cannot convert float to integer");
            value = Types.Whole(new BigInteger(real));
        }

        Types.IsWhole(value, out var whole);
        var size = BigInteger.Abs(whole);
        var digits = type is 'x' or 'X' or 'o'
            ? FormatSpec.Radix(size, type == 'o' ? 8 : 16)
            : size.ToString(CultureInfo.InvariantCulture);
        if (precision is { } least) digits = digits.PadLeft(least, '0');
        if (type == 'X') digits = digits.ToUpperInvariant();
        var sign = (whole.Sign < 0 ? "-" : spec.Sign == '-' ? "" : spec.Sign.ToString())
            + (spec.Alternate ? type switch { 'x' => "0x", 'X' => "0X", 'o' => "0o", _ => "" } : "");
        return spec.Align == '='
            ? sign + TextMethods.Pad(digits, width - sign.Length, "0", "rjust", meter)
            : TextMethods.Pad(sign + digits, width, " ", left ? "ljust" : "rjust", meter);
    }
}
