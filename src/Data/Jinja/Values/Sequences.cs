using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>A list or a tuple; templates cannot change either.</summary>
/// <param name="items">Its elements.</param>
internal abstract class SequenceValue(object?[] items)
{
    public object?[] Items { get; } = items;

    /// <summary>Other elements in the same kind of sequence.</summary>
    public abstract SequenceValue With(object?[] items);
}

/// <summary>A list.</summary>
internal sealed class ListValue(object?[] items) : SequenceValue(items)
{
    public override SequenceValue With(object?[] items) => new ListValue(items);
}

/// <summary>A tuple.</summary>
internal class TupleValue(params object?[] items) : SequenceValue(items)
{
    public override SequenceValue With(object?[] items) => new TupleValue(items);
}

/// <summary>Numbers from a start, at a distance.</summary>
internal sealed record RangeValue(long Start, long Stop, long Step)
{
    private const int Most = 100_000;

    public long Length { get; } = Count(Start, Stop, Step);

    public IEnumerable<object?> Numbers()
    {
        for (long i = 0, value = Start; i < Length; i++, value += Step) yield return value;
    }

    private static long Count(BigInteger start, BigInteger stop, BigInteger step)
    {
        if (step.IsZero) throw JinjaException.Impossible("range() arg 3 must not be zero");
        var count = step.Sign > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
        if (count > Most) throw JinjaException.Impossible($"a range of more than {Most} numbers");
        return count.Sign < 0 || (step.Sign > 0 ? start >= stop : start <= stop) ? 0 : (long)count;
    }
}

/// <summary>What can be gone through once (Python's generators).</summary>
internal sealed class IteratorValue(IEnumerator<object?> items)
{
    public IEnumerable<object?> Rest()
    {
        while (items.MoveNext()) yield return items.Current;
    }
}

/// <summary>A dictionary's keys, values or items.</summary>
/// <param name="kind"><c>keys</c>, <c>values</c> or <c>items</c>.</param>
/// <param name="source">The dictionary.</param>
internal sealed class ViewValue(string kind, DictValue source)
{
    public string Kind { get; } = kind;

    public DictValue Source { get; } = source;

    public IEnumerable<object?> Elements() =>
        Kind switch
        {
            "keys" => Source.Keys,
            "values" => Source.Values,
            _ => Source.Keys.Zip(Source.Values, static (key, value) => (object?)new TupleValue(key, value)),
        };
}

/// <summary>The bounds of a slice.</summary>
internal sealed record SliceValue(object? Start, object? Stop, object? Step);
