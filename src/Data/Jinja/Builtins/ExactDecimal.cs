using System.Globalization;
using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>A float's exact value in decimal digits, halves to even, as C's printf writes it.</summary>
internal static class ExactDecimal
{
    /// <summary>With a number of digits behind the point (<c>%.nf</c>).</summary>
    public static string Fixed(double value, int digits)
    {
        var text = Scaled(Math.Abs(value), digits).ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        var sign = double.IsNegative(value) ? "-" : "";
        return digits == 0 ? sign + text : $"{sign}{text[..^digits]}.{text[^digits..]}";
    }

    /// <summary>With an exponent (<c>%.ne</c>).</summary>
    public static string Exponential(double value, int digits)
    {
        var sign = double.IsNegative(value) ? "-" : "";
        value = Math.Abs(value);
        if (value == 0) return $"{sign}0{(digits > 0 ? "." + new string('0', digits) : "")}e+00";
        var exponent = (int)Math.Floor(Math.Log10(value));
        // The logarithm may be off by one beside powers of ten, and rounding may add a digit.
        for (exponent++; ; exponent--)
        {
            var text = Scaled(value, digits - exponent).ToString(CultureInfo.InvariantCulture);
            if (text.Length < digits + 1) continue;
            if (text.Length > digits + 1) (text, exponent) = (text[..(digits + 1)], exponent + text.Length - digits - 1);
            var fraction = digits > 0 ? "." + text[1..] : "";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{text[0]}{fraction}e{exponent:+00;-00}");
        }
    }

    /// <summary>value · 10^digits as a whole number.</summary>
    private static BigInteger Scaled(double value, int digits)
    {
        var bits = BitConverter.DoubleToInt64Bits(value);
        var power = (int)((bits >> 52) & 0x7ff);
        BigInteger numerator = (bits & 0xfffffffffffffL) | (power == 0 ? 0 : 1L << 52);
        power = Math.Max(power, 1) - 1075;
        var denominator = BigInteger.One;
        if (power > 0) numerator <<= power;
        else denominator <<= -power;
        if (digits > 0) numerator *= BigInteger.Pow(10, digits);
        else denominator *= BigInteger.Pow(10, -digits);
        var quotient = BigInteger.DivRem(numerator, denominator, out var rest);
        var order = (rest * 2).CompareTo(denominator);
        return order > 0 || (order == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
