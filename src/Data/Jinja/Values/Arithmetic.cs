using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Python's operators on numbers, texts and sequences.</summary>
internal static class Arithmetic
{
    public static object? Add(object? a, object? b, Meter meter)
    {
        switch (a, b)
        {
            case (string x, string y):
                meter.Write((long)x.Length + y.Length);
                return x + y;
            case (long x, long y) when !Overflows(x, y, out var sum):
                return sum;
            case (ListValue x, ListValue y):
                return new ListValue(Joined(x, y, meter));
            case (TupleValue x, TupleValue y):
                return new TupleValue(Joined(x, y, meter));
            case (Markup or string, Markup or string):
                meter.Write((long)Types.Text(a)!.Length + Types.Text(b)!.Length);
                return new Markup(Safe(a) + Safe(b));
            default:
                if (Numeric(a, b, static (x, y) => x + y, static (x, y) => x + y) is { } number) return number;
                throw Undefined(a, b) ?? JinjaException.Impossible(
                    a is string or ListValue or TupleValue
                        ? $"can only concatenate {Types.Name(a)} (not \"{Types.Name(b)}\") to {Types.Name(a)}"
                        : Unsupported("+", a, b));
        }
    }

    public static object? Subtract(object? a, object? b) =>
        Numeric(a, b, static (x, y) => x - y, static (x, y) => x - y) ?? throw Refuse("-", a, b);

    public static object? Multiply(object? a, object? b, Meter meter)
    {
        if (Numeric(a, b, static (x, y) => x * y, static (x, y) => x * y) is { } number) return number;
        if (Types.IsWhole(a, out var times)) (a, b) = (b, a);
        else if (!Types.IsWhole(b, out times)) throw Refuse("*", a, b);
        var count = (long)BigInteger.Clamp(times, 0, int.MaxValue);
        switch (a)
        {
            case string text:
                return PythonText.Repeat(text, count, meter);
            case Markup markup:
                return new Markup(PythonText.Repeat(markup.Text, count, meter));
            case SequenceValue sequence:
                var length = sequence.Items.Length * count;
                meter.Step(length);
                var items = new object?[length];
                for (var i = 0; i < length; i++) items[i] = sequence.Items[i % sequence.Items.Length];
                return sequence.With(items);
            default:
                throw Refuse("*", a, b);
        }
    }

    public static object? Divide(object? a, object? b)
    {
        if (!AreNumbers(a, b)) throw Refuse("/", a, b);
        var divisor = Real(b);
        return divisor == 0 ? throw JinjaException.Impossible("division by zero") : Real(a) / divisor;
    }

    public static object? FloorDivide(object? a, object? b)
    {
        if (!AreNumbers(a, b)) throw Refuse("//", a, b);
        if (Types.IsWhole(a, out var x) && Types.IsWhole(b, out var y))
            return Types.Whole(Floor(x, y, out _));
        return FloorReal(Real(a), Real(b), out _);
    }

    public static object? Remainder(object? a, object? b)
    {
        if (!AreNumbers(a, b)) throw Refuse("%", a, b);
        if (Types.IsWhole(a, out var x) && Types.IsWhole(b, out var y))
        {
            Floor(x, y, out var rest);
            return Types.Whole(rest);
        }

        FloorReal(Real(a), Real(b), out var remainder);
        return remainder;
    }

    public static object? Power(object? a, object? b)
    {
        if (!AreNumbers(a, b)) throw Refuse("** or pow()", a, b);
        if (Types.IsWhole(a, out var x) && Types.IsWhole(b, out var y) && y.Sign >= 0)
        {
            if (x.IsZero || x.IsOne || y.IsZero) return y.IsZero ? 1L : (long)x;
            if (x == BigInteger.MinusOne) return y.IsEven ? 1L : -1L;
            if (y > 14_000) Types.Whole(BigInteger.One << 20_000);
            if (x.GetBitLength() * (long)y > 1_000_000) Types.Whole(BigInteger.One << 20_000);
            return Types.Whole(BigInteger.Pow(x, (int)y));
        }

        var (p, q) = (Real(a), Real(b));
        if (p == 0 && q < 0) throw JinjaException.Impossible("0.0 cannot be raised to a negative power");
        var result = Math.Pow(p, q);
        if (double.IsNaN(result) && !double.IsNaN(p) && !double.IsNaN(q))
            throw JinjaException.Impossible("a negative number has no power that is not whole");
        return double.IsInfinity(result) && double.IsFinite(p) && double.IsFinite(q)
            ? throw JinjaException.Impossible("the number is too large for a float")
            : result;
    }

    public static object? Negate(object? value) => value switch
    {
        double number => -number,
        _ when Types.IsWhole(value, out var whole) => Types.Whole(-whole),
        _ => throw (value as Undefined)?.Error() ?? JinjaException.Impossible($"bad operand type for unary -: '{Types.Name(value)}'"),
    };

    public static object? Plus(object? value) => value switch
    {
        double => value,
        _ when Types.IsWhole(value, out var whole) => Types.Whole(whole),
        _ => throw (value as Undefined)?.Error() ?? JinjaException.Impossible($"bad operand type for unary +: '{Types.Name(value)}'"),
    };

    /// <summary>A number as a float.</summary>
    public static double Real(object? value)
    {
        if (value is double number) return number;
        Types.IsWhole(value, out var whole);
        var real = (double)whole;
        return double.IsFinite(real) ? real : throw JinjaException.Impossible("int too large to convert to float");
    }

    /// <summary>Whether a value is a number; truth values are.</summary>
    public static bool IsNumber(object? value) => value is bool or long or double or BigInteger;

    private static bool AreNumbers(object? a, object? b) => IsNumber(a) && IsNumber(b);

    private static object? Numeric(
        object? a,
        object? b,
        Func<BigInteger, BigInteger, BigInteger> whole,
        Func<double, double, double> real)
    {
        if (!AreNumbers(a, b)) return null;
        if (Types.IsWhole(a, out var x) && Types.IsWhole(b, out var y)) return Types.Whole(whole(x, y));
        return real(Real(a), Real(b));
    }

    private static bool Overflows(long x, long y, out long sum)
    {
        sum = unchecked(x + y);
        return ((x ^ sum) & (y ^ sum)) < 0;
    }

    private static BigInteger Floor(BigInteger x, BigInteger y, out BigInteger rest)
    {
        if (y.IsZero) throw JinjaException.Impossible("integer division or modulo by zero");
        var quotient = BigInteger.DivRem(x, y, out rest);
        if (rest.IsZero || rest.Sign == y.Sign) return quotient;
        rest += y;
        return quotient - 1;
    }

    private static double FloorReal(double x, double y, out double rest)
    {
        if (y == 0) throw JinjaException.Impossible("float floor division by zero");
        rest = x % y;
        var quotient = (x - rest) / y;
        if (rest != 0 && (y < 0) != (rest < 0))
        {
            rest += y;
            quotient -= 1;
        }

        if (rest == 0) rest = Math.CopySign(0, y);
        var floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static object?[] Joined(SequenceValue x, SequenceValue y, Meter meter)
    {
        meter.Step(x.Items.Length + y.Items.Length);
        return [.. x.Items, .. y.Items];
    }

    private static string Safe(object? value) => (value as Markup)?.Text ?? PythonText.Escape((string)value!);

    private static JinjaException? Undefined(object? a, object? b) => (a as Undefined ?? b as Undefined)?.Error();

    private static JinjaException Refuse(string sign, object? a, object? b) =>
        Undefined(a, b) ?? JinjaException.Impossible(Unsupported(sign, a, b));

    private static string Unsupported(string sign, object? a, object? b) =>
        $"unsupported operand type(s) for {sign}: '{Types.Name(a)}' and '{Types.Name(b)}'";
}
