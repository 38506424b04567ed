using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Python's <c>&lt;</c>, of numbers, texts and sequences.</summary>
internal static class Order
{
    /// <summary>Below, equal or above (−1, 0, 1); 2 where numbers have no order.</summary>
    /// <exception cref="JinjaException">The values have no order.</exception>
    public static int Compare(object? a, object? b, string sign, Meter meter)
    {
        if (Types.Text(a) is { } s && Types.Text(b) is { } t)
        {
            meter.Read(Math.Min(s.Length, t.Length));
            return Texts(s, t);
        }

        if (Numbers(a, b) is { } order) return order;
        if ((a is ListValue && b is ListValue) || (a is TupleValue && b is TupleValue))
            return Sequences((SequenceValue)a, (SequenceValue)b, sign, meter);
        throw (a as Undefined ?? b as Undefined)?.Error()
            ?? JinjaException.Impossible($"'{sign}' not supported between instances of '{Types.Name(a)}' and '{Types.Name(b)}'");
    }

    /// <summary>The order of two numbers; 2: one is not a number; null: one is no number at all.</summary>
    public static int? Numbers(object? a, object? b)
    {
        if (a is long x && b is long y) return x.CompareTo(y);
        var (whole, otherWhole) = (Types.IsWhole(a, out var m), Types.IsWhole(b, out var n));
        if (whole && otherWhole) return m.CompareTo(n);
        if (!(whole || a is double) || !(otherWhole || b is double)) return null;
        if (a is double p && b is double q) return p < q ? -1 : p > q ? 1 : p == q ? 0 : 2;
        return whole ? Mixed(m, (double)b!) : Mixed(n, (double)a!) is var reverse and not 2 ? -reverse : 2;
    }

    /// <summary>The order of two texts by code points.</summary>
    public static int Texts(string a, string b)
    {
        var at = a.AsSpan().CommonPrefixLength(b);
        if (at == a.Length || at == b.Length) return a.Length.CompareTo(b.Length);
        // Surrogates stand for code points above all others.
        var (x, y) = (Weight(a[at]), Weight(b[at]));
        return x.CompareTo(y);

        static int Weight(char unit) => char.IsSurrogate(unit) ? unit + 0x10000 : unit;
    }

    private static int Mixed(BigInteger whole, double number)
    {
        if (double.IsNaN(number)) return 2;
        if (double.IsInfinity(number)) return number > 0 ? -1 : 1;
        var order = whole.CompareTo(new BigInteger(number));
        return order != 0 ? order : -Math.Sign(number - Math.Truncate(number));
    }

    private static int Sequences(SequenceValue a, SequenceValue b, string sign, Meter meter)
    {
        meter.Enter();
        var i = 0;
        for (; i < a.Items.Length && i < b.Items.Length; i++)
        {
            meter.Step();
            if (!Equality.AreEqual(a.Items[i], b.Items[i], meter)) break;
        }

        var order = i < a.Items.Length && i < b.Items.Length
            ? Compare(a.Items[i], b.Items[i], sign, meter)
            : a.Items.Length.CompareTo(b.Items.Length);
        meter.Leave();
        return order;
    }
}
