using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Python's <c>==</c>.</summary>
internal static class Equality
{
    public static bool AreEqual(object? a, object? b, Meter meter)
    {
        if (ReferenceEquals(a, b)) return a is not double.NaN;
        switch (a, b)
        {
            case (string x, string y):
                meter.Read(x.Length == y.Length ? x.Length : 0);
                return x == y;
            case (null, _) or (_, null):
                return false;
            case (Undefined, Undefined):
                return true;
            case (ListValue x, ListValue y):
                return AllEqual(x.Items, y.Items, meter);
            case (TupleValue x, TupleValue y):
                return AllEqual(x.Items, y.Items, meter);
            case (DictValue x, DictValue y):
                return SameEntries(x, y, meter);
            case (RangeValue x, RangeValue y):
                return x.Length == y.Length && x.Numbers().SequenceEqual(y.Numbers());
            default:
                if (Types.Text(a) is { } s && Types.Text(b) is { } t) return AreEqual(s, t, meter);
                return Order.Numbers(a, b) is { } order && order == 0;
        }
    }

    /// <summary>Whether two are the same object; small values have no identity of their own.</summary>
    public static bool AreSame(object? a, object? b) => (a, b) switch
    {
        (bool x, bool y) => x == y,
        (long x, long y) => x == y,
        (BigInteger x, BigInteger y) => x == y,
        (double x, double y) => x.Equals(y),
        (string x, string y) => x == y,
        _ => ReferenceEquals(a, b),
    };

    private static bool AllEqual(object?[] x, object?[] y, Meter meter)
    {
        if (x.Length != y.Length) return false;
        meter.Enter();
        var equal = true;
        for (var i = 0; equal && i < x.Length; i++)
        {
            meter.Step();
            equal = AreEqual(x[i], y[i], meter);
        }

        meter.Leave();
        return equal;
    }

    private static bool SameEntries(DictValue x, DictValue y, Meter meter)
    {
        if (x.Count != y.Count) return false;
        meter.Enter();
        var equal = true;
        for (var i = 0; equal && i < x.Count; i++)
        {
            meter.Step();
            equal = y.TryGet(x.Keys[i], meter, out var value) && AreEqual(x.Values[i], value, meter);
        }

        meter.Leave();
        return equal;
    }
}

/// <summary>What can be a key of a dictionary.</summary>
internal static class Hashing
{
    /// <exception cref="JinjaException">The value cannot be a key.</exception>
    public static void Require(object? key, Meter meter)
    {
        if (key is ListValue or DictValue or SliceValue) throw JinjaException.Impossible($"unhashable type: '{Types.Name(key)}'");
        if (key is not TupleValue tuple) return;
        meter.Enter();
        foreach (var item in tuple.Items) Require(item, meter);
        meter.Leave();
    }
}
