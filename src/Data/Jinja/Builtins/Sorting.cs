using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Filters that compare elements.</summary>
internal static class Sorting
{
    public static object? Sort(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("sort", "reverse", "case_sensitive", "attribute");
        var fold = !Filters.Flag(given[1]);
        object?[] paths = Types.Text(Filters.OrNone(given[2])) is { } several ? several.Split(',') : [Filters.OrNone(given[2])];
        var getters = Array.ConvertAll(paths, path => Attributes.Getter(path, null, meter));
        return new ListValue(Sorted(Sequence.ToArray(value, meter), Key, Filters.Flag(given[0]), meter));

        object? Key(object? item) => new ListValue(Array.ConvertAll(getters, get => Folded(get(item), fold, meter)));
    }

    public static object? DictSort(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("dictsort", "case_sensitive", "by", "reverse");
        if (value is not DictValue dictionary)
            throw (value as Undefined)?.Error() ?? JinjaException.Impossible($"'{Types.Name(value)}' object has no attribute 'items'");
        var by = Filters.Given(given[1]) ? Types.Text(given[1]) : "key";
        if (by is not ("key" or "value")) throw JinjaException.Impossible("You can only sort by either \"key\" or \"value\"");
        var fold = !Filters.Flag(given[0]);
        var items = new ViewValue("items", dictionary).Elements().ToArray();
        return new ListValue(Sorted(
            items,
            item => Folded(((TupleValue)item!).Items[by == "key" ? 0 : 1], fold, meter),
            Filters.Flag(given[2]),
            meter));
    }

    public static object? GroupBy(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("groupby", "attribute", "default", "case_sensitive");
        if (!Filters.Given(given[0])) throw JinjaException.Impossible("groupby() misses its attribute");
        var get = Attributes.Getter(given[0], Filters.OrNone(given[1]), meter);
        var fold = !Filters.Flag(given[2]);
        var groups = new List<(object? Key, List<object?> Items)>();
        foreach (var item in Sorted(Sequence.ToArray(value, meter), item => Folded(get(item), fold, meter), reverse: false, meter))
        {
            var key = Folded(get(item), fold, meter);
            if (groups.Count == 0 || !Equality.AreEqual(groups[^1].Key, key, meter)) groups.Add((key, []));
            groups[^1].Items.Add(item);
        }

        return new ListValue(
            [.. groups.Select(group => (object?)new GroupValue(fold ? get(group.Items[0]) : group.Key, new ListValue([.. group.Items])))]);
    }

    public static object? Unique(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("unique", "case_sensitive", "attribute");
        var get = Attributes.Getter(Filters.OrNone(given[1]), null, meter);
        var fold = !Filters.Flag(given[0]);
        return new IteratorValue(Items().GetEnumerator());

        IEnumerable<object?> Items()
        {
            var seen = new DictValue();
            foreach (var item in Sequence.Iterate(value, meter))
            {
                var key = Folded(get(item), fold, meter);
                Hashing.Require(key, meter);
                if (seen.TryGet(key, meter, out _)) continue;
                seen.Set(key, null, meter);
                yield return item;
            }
        }
    }

    /// <summary><c>min</c> (−1) and <c>max</c> (1).</summary>
    public static object? Extreme(Meter meter, object? value, Arguments arguments, string name, int side)
    {
        var given = arguments.Bind(name, "case_sensitive", "attribute");
        var get = Attributes.Getter(Filters.OrNone(given[1]), null, meter);
        var fold = !Filters.Flag(given[0]);
        var items = Sequence.ToArray(value, meter);
        if (items.Length == 0) return new Undefined(null, null, "No aggregated item, sequence was empty.");
        var (best, key) = (items[0], Folded(get(items[0]), fold, meter));
        foreach (var item in items.AsSpan(1))
        {
            var other = Folded(get(item), fold, meter);
            if (Order.Compare(other, key, side < 0 ? "<" : ">", meter) != side) continue;
            (best, key) = (item, other);
        }

        return best;
    }

    private static object? Folded(object? value, bool fold, Meter meter)
    {
        if (!fold || Types.Text(value) is not { } text) return value;
        meter.Write(text.Length);
        return Casing.Lower(text);
    }

    // Merges halves: stable in both directions, as Python's sort is, and only ever asks what is below.
    private static object?[] Sorted(object?[] items, Func<object?, object?> key, bool reverse, Meter meter)
    {
        meter.Step(items.Length);
        var entries = Array.ConvertAll(items, item => (Item: item, Key: key(item)));
        Merge(entries.AsSpan(), new (object?, object?)[entries.Length], reverse, meter);
        return Array.ConvertAll(entries, static entry => entry.Item);
    }

    private static void Merge(Span<(object? Item, object? Key)> entries, Span<(object? Item, object? Key)> spare, bool reverse, Meter meter)
    {
        if (entries.Length < 2) return;
        var half = entries.Length / 2;
        Merge(entries[..half], spare[..half], reverse, meter);
        Merge(entries[half..], spare[half..], reverse, meter);
        entries.CopyTo(spare);
        for (int i = 0, a = 0, b = half; i < entries.Length; i++)
        {
            meter.Step();
            var second = a == half || (b < spare.Length && (reverse
                ? Order.Compare(spare[a].Key, spare[b].Key, "<", meter) == -1
                : Order.Compare(spare[b].Key, spare[a].Key, "<", meter) == -1));
            entries[i] = spare[second ? b++ : a++];
        }
    }
}

/// <summary>A group of <c>groupby</c>: a pair whose parts have names.</summary>
internal sealed class GroupValue(object? grouper, ListValue list) : TupleValue(grouper, list), IAttributes
{
    public bool TryGet(string name, Meter meter, out object? value)
    {
        value = name == "grouper" ? Items[0] : Items[1];
        return name is "grouper" or "list";
    }
}
