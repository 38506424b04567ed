using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Filters of sequences and dictionaries.</summary>
internal static class SequenceFilters
{
    public static readonly Dictionary<string, Filter> Table = new()
    {
        ["default"] = Default,
        ["d"] = Default,
        ["length"] = Length,
        ["count"] = Length,
        ["list"] = static (meter, value, arguments) =>
        {
            arguments.Bind("list");
            return new ListValue(Sequence.ToArray(value, meter));
        },
        ["first"] = static (meter, value, _) => Sequence.Iterate(value, meter).Take(1).ToArray() is [var first]
            ? first
            : new Undefined(null, null, "No first item, sequence was empty."),
        ["last"] = static (meter, value, _) => Reversed(value, meter) is not { } items
            ? throw JinjaException.Impossible($"'{Types.Name(value)}' object is not reversible")
            : items.Take(1).ToArray() is [var last] ? last : new Undefined(null, null, "No last item, sequence was empty."),
        ["reverse"] = static (meter, value, _) => value is string or Markup
            ? Subscripts.TryGet(value, new SliceValue(null, null, -1L), meter, out var text) ? text : null
            : Reversed(value, meter) is { } items
                ? new IteratorValue(items.GetEnumerator())
                : new ListValue([.. Sequence.ToArray(value, meter).AsEnumerable().Reverse()]),
        ["items"] = static (meter, value, _) => value switch
        {
            Undefined => new IteratorValue(Enumerable.Empty<object?>().GetEnumerator()),
            DictValue dictionary => new IteratorValue(new ViewValue("items", dictionary).Elements().GetEnumerator()),
            _ => throw JinjaException.Impossible("Can only get item pairs from a mapping."),
        },
        ["join"] = Join,
        ["attr"] = static (meter, value, arguments) =>
        {
            var name = Types.RequireText(arguments.Bind("attr", "name")[0], "attr");
            return Attributes.Find(value, name, meter, out var attribute) ? attribute : new Undefined(value, name);
        },
        ["batch"] = Batch,
        ["slice"] = Slice,
        ["map"] = Mapping.Map,
        ["select"] = static (meter, value, arguments) => Mapping.Select(meter, value, arguments, keep: true, ofAttribute: false),
        ["reject"] = static (meter, value, arguments) => Mapping.Select(meter, value, arguments, keep: false, ofAttribute: false),
        ["selectattr"] = static (meter, value, arguments) => Mapping.Select(meter, value, arguments, keep: true, ofAttribute: true),
        ["rejectattr"] = static (meter, value, arguments) => Mapping.Select(meter, value, arguments, keep: false, ofAttribute: true),
        ["sort"] = Sorting.Sort,
        ["dictsort"] = Sorting.DictSort,
        ["groupby"] = Sorting.GroupBy,
        ["unique"] = Sorting.Unique,
        ["min"] = static (meter, value, arguments) => Sorting.Extreme(meter, value, arguments, "min", -1),
        ["max"] = static (meter, value, arguments) => Sorting.Extreme(meter, value, arguments, "max", 1),
        ["sum"] = static (meter, value, arguments) =>
        {
            var given = arguments.Bind("sum", "attribute", "start");
            var get = Attributes.Getter(Filters.OrNone(given[0]), null, meter);
            var sum = Filters.Given(given[1]) ? given[1] : 0L;
            if (sum is string) throw JinjaException.Impossible("sum() can't sum strings [use ''.join(seq) instead]");
            foreach (var item in Sequence.Iterate(value, meter)) sum = Arithmetic.Add(sum, get(item), meter);
            return sum;
        },
    };

    private static object? Default(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("default", "default_value", "boolean");
        var absent = value is Undefined || (Filters.Flag(given[1]) && !Types.IsTrue(value));
        return !absent ? value : Filters.Given(given[0]) ? given[0] : "";
    }

    private static object? Length(Meter meter, object? value, Arguments arguments)
    {
        arguments.Bind("length");
        return Sequence.Length(value, meter)
            ?? throw JinjaException.Impossible($"object of type '{Types.Name(value)}' has no len()");
    }

    private static IEnumerable<object?>? Reversed(object? value, Meter meter) => value switch
    {
        IteratorValue => null,
        null or bool or long or double => throw JinjaException.Impossible($"'{Types.Name(value)}' object is not reversible"),
        _ => Sequence.ToArray(value, meter).AsEnumerable().Reverse(),
    };

    private static object? Join(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("join", "d", "attribute");
        var get = Attributes.Getter(Filters.OrNone(given[1]), null, meter);
        var separator = Filters.Given(given[0]) ? TextFilters.Text(meter, given[0]) : "";
        var parts = new List<string>();
        foreach (var item in Sequence.Iterate(value, meter))
        {
            meter.Step();
            parts.Add(Printing.Str(get(item), meter));
        }

        return TextMethods.Joined(separator, [.. parts], meter);
    }

    private static object? Batch(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("batch", "linecount", "fill_with");
        var size = Filters.Given(given[0]) ? Types.Count(given[0], "batch") : throw JinjaException.Impossible("batch() misses its size");
        var fill = Filters.OrNone(given[1]);
        if (fill is not null) meter.Step(Math.Max(0, size));
        return new IteratorValue(Batches().GetEnumerator());

        IEnumerable<object?> Batches()
        {
            var batch = new List<object?>();
            foreach (var item in Sequence.Iterate(value, meter))
            {
                meter.Step();
                if (batch.Count == size)
                {
                    yield return new ListValue([.. batch]);
                    batch.Clear();
                }

                batch.Add(item);
            }

            if (batch.Count == 0) yield break;
            while (fill is not null && batch.Count < size) batch.Add(fill);
            yield return new ListValue([.. batch]);
        }
    }

    private static object? Slice(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("slice", "slices", "fill_with");
        var count = Filters.Given(given[0]) ? Types.Count(given[0], "slice") : throw JinjaException.Impossible("slice() misses its number");
        var fill = Filters.OrNone(given[1]);
        var items = Sequence.ToArray(value, meter);
        if (count == 0) throw JinjaException.Impossible("integer division or modulo by zero");
        return new IteratorValue(Slices().GetEnumerator());

        IEnumerable<object?> Slices()
        {
            var (each, extra) = (items.Length / count, items.Length % count);
            for (int i = 0, start = 0; i < count; i++)
            {
                meter.Step();
                var end = start + each + (i < extra ? 1 : 0);
                var part = items[start..end];
                yield return new ListValue(fill is not null && i >= extra ? [.. part, fill] : part);
                start = end;
            }
        }
    }
}
