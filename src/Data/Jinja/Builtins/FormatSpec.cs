using System.Globalization;
using System.Numerics;
using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>How Python writes a value in a field: <c>[[fill]align][sign][#][0][width][group][.precision][type]</c>.</summary>
internal sealed record FormatSpec
{
    public const int Widest = 10_000;

    public string Fill { get; init; } = " ";

    public char Align { get; init; }

    public char Sign { get; init; } = '-';

    public bool Alternate { get; init; }

    public int Width { get; init; }

    public char Group { get; init; }

    public int? Precision { get; init; }

    public char Type { get; init; }

    /// <summary>Reads a specification.</summary>
    public static FormatSpec Parse(string text)
    {
        var points = PythonText.CodePoints(text);
        var at = 0;
        var spec = new FormatSpec();
        if (points.Length > 1 && points[1] is "<" or ">" or "=" or "^") spec = spec with { Fill = points[at++], Align = points[at++][0] };
        else if (points.Length > 0 && points[0] is "<" or ">" or "=" or "^") spec = spec with { Align = points[at++][0] };
        if (Next("+", "-", " ") is { } sign) spec = spec with { Sign = sign[0] };
        if (Next("z") is not null) throw Wrong(text);
        if (Next("#") is not null) spec = spec with { Alternate = true };
        if (Next("0") is not null && spec.Align == 0) spec = spec with { Fill = "0", Align = '=' };
        spec = spec with { Width = Number() ?? 0 };
        if (Next(",", "_") is { } group) spec = spec with { Group = group[0] };
        if (Next(".") is not null)
            spec = spec with { Precision = Number() ?? throw JinjaException.Impossible("Format specifier missing precision") };
        if (at < points.Length) spec = spec with { Type = points[at++][0] };
        return at == points.Length ? spec : throw Wrong(text);

        string? Next(params ReadOnlySpan<string> choices) =>
            at < points.Length && choices.Contains(points[at]) ? points[at++] : null;

        int? Number()
        {
            int? number = null;
            for (; at < points.Length && points[at] is [>= '0' and <= '9']; at++)
                number = Math.Min(Widest * 10, (number ?? 0) * 10 + points[at][0] - '0');
            return number <= Widest ? number : number is null ? null : throw JinjaException.Impossible("a field is too wide");
        }
    }

    /// <summary>A value as the specification has it.</summary>
    public string Format(object? value, Meter meter)
    {
        if (value is Undefined undefined) throw undefined.Error();
        if (value is double real) return Pad(OfReal(real), '>', meter);
        if (Types.IsWhole(value, out var whole) && !(value is bool && Type == 0))
            return Pad("eEfFgG%".Contains(Type) ? OfReal(Arithmetic.Real(value)) : OfWhole(whole), '>', meter);
        if (value is bool flag) value = flag ? "True" : "False";
        var text = Types.Text(value) ?? (this == new FormatSpec()
            ? Printing.Str(value, meter)
            : throw JinjaException.Impossible($"unsupported format string passed to {Types.Name(value)}.__format__"));
        if (Type is not ('\0' or 's') || Align == '=') throw Unknown("str");
        if (Precision is { } most && PythonText.Length(text) > most) text = string.Concat(PythonText.CodePoints(text)[..most]);
        return Pad(("", text), '<', meter);
    }

    private (string Sign, string Digits) OfWhole(BigInteger value)
    {
        if (Precision is not null) throw JinjaException.Impossible("Precision not allowed in integer format specifier");
        var size = BigInteger.Abs(value);
        var (digits, prefix) = Type switch
        {
            '\0' or 'd' or 'n' => (size.ToString(CultureInfo.InvariantCulture), ""),
            'x' => (Radix(size, 16), "0x"),
            'X' => (Radix(size, 16).ToUpperInvariant(), "0X"),
            'o' => (Radix(size, 8), "0o"),
            'b' => (Radix(size, 2), "0b"),
            'c' when value >= 0 && value < 0x110000 && Rune.IsValid((int)value) => (char.ConvertFromUtf32((int)value), ""),
            _ => throw Unknown("int"),
        };
        return (SignOf(value.Sign < 0) + (Alternate ? prefix : ""), Grouped(digits, Type is 'x' or 'X' or 'o' or 'b' ? 4 : 3));
    }

    private (string Sign, string Digits) OfReal(double value)
    {
        var sign = SignOf(double.IsNegative(value) && !double.IsNaN(value));
        if (!double.IsFinite(value))
        {
            var word = double.IsNaN(value) ? "nan" : "inf";
            return (sign, (char.IsUpper(Type) ? word.ToUpperInvariant() : word) + (Type == '%' ? "%" : ""));
        }

        value = Math.Abs(value);
        var digits = Type switch
        {
            'f' or 'F' => ExactDecimal.Fixed(value, Precision ?? 6),
            'e' or 'E' => ExactDecimal.Exponential(value, Precision ?? 6),
            'g' or 'G' or 'n' => General(value, Precision ?? 6, Alternate, false),
            '%' => ExactDecimal.Fixed(value * 100, Precision ?? 6) + "%",
            '\0' => Precision is { } precision ? General(value, precision, Alternate, true) : Printing.Float(value),
            _ => throw Unknown("float"),
        };
        return (sign, Grouped(Type is 'E' or 'G' or 'F' ? digits.ToUpperInvariant() : digits, 3));
    }

    private static string General(double value, int precision, bool keepZeros, bool pointed)
    {
        precision = Math.Max(1, precision);
        var exponential = ExactDecimal.Exponential(value, precision - 1);
        var mark = exponential.IndexOf('e', StringComparison.Ordinal);
        var exponent = int.Parse(exponential.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent < -4 || exponent >= (pointed ? precision - 1 : precision)) return Trimmed(exponential[..mark]) + exponential[mark..];
        var digits = Trimmed(ExactDecimal.Fixed(value, precision - 1 - exponent));
        return pointed && !digits.Contains('.') ? digits + ".0" : digits;

        string Trimmed(string number) => keepZeros || !number.Contains('.') ? number : number.TrimEnd('0').TrimEnd('.');
    }

    private string SignOf(bool negative) => negative ? "-" : Sign == '-' ? "" : Sign.ToString();

    private string Grouped(string digits, int size)
    {
        if (Group == 0) return digits;
        var whole = digits.TakeWhile(char.IsAsciiLetterOrDigit).Count();
        if (digits.IndexOfAny(['e', 'E']) is >= 0 and var mark && size == 3) whole = Math.Min(whole, mark);
        var made = new StringBuilder(digits);
        for (var at = whole - size; at > 0; at -= size) made.Insert(at, Group);
        return made.ToString();
    }

    private string Pad((string Sign, string Digits) parts, char align, Meter meter)
    {
        var text = parts.Sign + parts.Digits;
        if (Width == 0) return text;
        return (Align == 0 ? align : Align) switch
        {
            '<' => TextMethods.Pad(text, Width, Fill, "ljust", meter),
            '>' => TextMethods.Pad(text, Width, Fill, "rjust", meter),
            '=' => parts.Sign + TextMethods.Pad(parts.Digits, Width - parts.Sign.Length, Fill, "rjust", meter),
            _ => Math.Max(0, Width - PythonText.Length(text)) is var missing
                ? PythonText.Repeat(Fill, missing / 2, meter) + text + PythonText.Repeat(Fill, missing - missing / 2, meter)
                : text,
        };
    }

    /// <summary>A whole number in another radix.</summary>
    public static string Radix(BigInteger value, int radix)
    {
        if (value.IsZero) return "0";
        var made = new StringBuilder();
        for (; !value.IsZero; value /= radix) made.Insert(0, "0123456789abcdef"[(int)(value % radix)]);
        return made.ToString();
    }

    private JinjaException Unknown(string type) =>
        JinjaException.Impossible($"Unknown format code '{Type}' for object of type '{type}'");

    private static JinjaException Wrong(string text) => JinjaException.Impossible($"Invalid format specifier '{text}'");
}
