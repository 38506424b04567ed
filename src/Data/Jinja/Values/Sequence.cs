namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>What can be gone through, counted, searched and indexed.</summary>
internal static class Sequence
{
    /// <summary>The elements of a value; null: it has none to go through.</summary>
    public static IEnumerable<object?>? TryIterate(object? value, Meter meter) => value switch
    {
        SequenceValue sequence => sequence.Items,
        DictValue dictionary => dictionary.Keys,
        ViewValue view => view.Elements(),
        RangeValue range => range.Numbers(),
        IteratorValue iterator => iterator.Rest(),
        Undefined => [],
        string or Markup => Letters(Types.Text(value)!, meter),
        _ => null,
    };

    /// <summary>The elements of a value.</summary>
    /// <exception cref="JinjaException">It has none to go through.</exception>
    public static IEnumerable<object?> Iterate(object? value, Meter meter) =>
        TryIterate(value, meter) ?? throw JinjaException.Impossible($"'{Types.Name(value)}' object is not iterable");

    /// <summary>The elements of a value as an array of their own.</summary>
    public static object?[] ToArray(object? value, Meter meter)
    {
        if (value is SequenceValue sequence)
        {
            meter.Step(sequence.Items.Length);
            return sequence.Items;
        }

        var items = new List<object?>();
        foreach (var item in Iterate(value, meter))
        {
            meter.Step();
            items.Add(item);
        }

        return [.. items];
    }

    /// <summary>Python's <c>len</c>; null: the value has none.</summary>
    public static long? Length(object? value, Meter meter)
    {
        switch (value)
        {
            case string or Markup:
                var text = Types.Text(value)!;
                meter.Read(text.Length);
                return PythonText.Length(text);
            case SequenceValue sequence: return sequence.Items.Length;
            case DictValue dictionary: return dictionary.Count;
            case ViewValue view: return view.Source.Count;
            case RangeValue range: return range.Length;
            case Undefined: return 0;
            default: return null;
        }
    }

    /// <summary>Python's <c>in</c>.</summary>
    public static bool Contains(object? container, object? item, Meter meter)
    {
        switch (container)
        {
            case string or Markup:
                var text = Types.Text(container)!;
                var sought = Types.Text(item) ?? throw (item as Undefined)?.Error() ?? JinjaException.Impossible(
                    $"'in <string>' requires string as left operand, not {Types.Name(item)}");
                meter.Search(text.Length, sought.Length);
                return text.Contains(sought, StringComparison.Ordinal);
            case DictValue dictionary: return dictionary.TryGet(item, meter, out _);
            case ViewValue { Kind: "keys" } keys: return keys.Source.TryGet(item, meter, out _);
            default:
                var items = TryIterate(container, meter)
                    ?? throw JinjaException.Impossible($"argument of type '{Types.Name(container)}' is not iterable");
                foreach (var other in items)
                {
                    meter.Step();
                    if (Equality.AreEqual(other, item, meter)) return true;
                }

                return false;
        }
    }

    private static string[] Letters(string text, Meter meter)
    {
        meter.Step(text.Length);
        return PythonText.CodePoints(text);
    }
}
