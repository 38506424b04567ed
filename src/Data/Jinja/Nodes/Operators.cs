using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary>An arithmetic operator.</summary>
internal sealed class Binary(string sign, Expression left, Expression right) : Expression
{
    private readonly char kind = sign is "//" ? 'f' : sign is "**" ? 'p' : sign[0];

    protected override object? Compute(Frame frame)
    {
        var (a, b) = (left.Evaluate(frame), right.Evaluate(frame));
        return kind switch
        {
            '+' => Arithmetic.Add(a, b, frame.Meter),
            '-' => Arithmetic.Subtract(a, b),
            '*' => Arithmetic.Multiply(a, b, frame.Meter),
            '/' => Arithmetic.Divide(a, b),
            'f' => Arithmetic.FloorDivide(a, b),
            'p' => Arithmetic.Power(a, b),
            _ => Types.Text(a) is { } format ? PercentFormat.Format(format, b, frame.Meter) : Arithmetic.Remainder(a, b),
        };
    }
}

/// <summary>A sign.</summary>
internal sealed class Signed(bool minus, Expression value) : Expression
{
    protected override object? Compute(Frame frame) =>
        minus ? Arithmetic.Negate(value.Evaluate(frame)) : Arithmetic.Plus(value.Evaluate(frame));
}

/// <summary><c>a ~ b ~ c</c>.</summary>
internal sealed class Joining(Expression[] parts) : Expression
{
    protected override object? Compute(Frame frame)
    {
        var texts = new string[parts.Length];
        var length = 0L;
        for (var i = 0; i < parts.Length; i++) length += (texts[i] = Printing.Str(parts[i].Evaluate(frame), frame.Meter)).Length;
        frame.Meter.Write(length);
        return string.Concat(texts);
    }
}

/// <summary><c>and</c>, <c>or</c>.</summary>
internal sealed class Logic(bool and, Expression left, Expression right) : Expression
{
    protected override object? Compute(Frame frame)
    {
        var value = left.Evaluate(frame);
        return Types.IsTrue(value) == and ? right.Evaluate(frame) : value;
    }
}

/// <summary><c>not</c>.</summary>
internal sealed class Not(Expression value) : Expression
{
    protected override object? Compute(Frame frame) => Types.Box(!Types.IsTrue(value.Evaluate(frame)));
}

/// <summary>Comparisons, several in a chain.</summary>
internal sealed class Comparison(Expression first, (string Sign, Expression Value)[] others) : Expression
{
    protected override object? Compute(Frame frame)
    {
        var left = first.Evaluate(frame);
        foreach (var (sign, other) in others)
        {
            var right = other.Evaluate(frame);
            if (!Holds(sign, left, right, frame.Meter)) return Types.False;
            left = right;
        }

        return Types.True;
    }

    private static bool Holds(string sign, object? a, object? b, Meter meter) => sign switch
    {
        "==" => Equality.AreEqual(a, b, meter),
        "!=" => !Equality.AreEqual(a, b, meter),
        "in" => Sequence.Contains(b, a, meter),
        "not in" => !Sequence.Contains(b, a, meter),
        "<" => Order.Compare(a, b, sign, meter) < 0,
        "<=" => Order.Compare(a, b, sign, meter) <= 0,
        ">" => Order.Compare(a, b, sign, meter) == 1,
        _ => Order.Compare(a, b, sign, meter) is 0 or 1,
    };
}
