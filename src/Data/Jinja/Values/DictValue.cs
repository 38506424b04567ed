namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>A dictionary in the order of its entries; templates cannot change it.</summary>
/// <param name="capacity">Entries to expect.</param>
internal sealed class DictValue(int capacity = 4)
{
    // Messages and their parts have few keys: those are compared one by one.
    private const int Few = 8;

    private readonly List<object?> keys = new(capacity);
    private readonly List<object?> values = new(capacity);

    // Texts only: other keys are rare, and may equal each other across types.
    private Dictionary<string, int>? texts;

    public int Count => keys.Count;

    public IReadOnlyList<object?> Keys => keys;

    public IReadOnlyList<object?> Values => values;

    /// <summary>The value of a key; false: there is none.</summary>
    public bool TryGet(object? key, Meter meter, out object? value)
    {
        var at = Find(key, meter);
        value = at < 0 ? null : values[at];
        return at >= 0;
    }

    /// <summary>Sets a value while the dictionary is made, or of a namespace; a later one of the same key counts.</summary>
    public void Set(object? key, object? value, Meter meter)
    {
        meter.Step();
        key = (key as Markup)?.Text ?? key;
        var at = Find(key, meter);
        if (at >= 0)
        {
            values[at] = value;
            return;
        }

        if (texts is not null && key is string text) texts.Add(text, keys.Count);
        keys.Add(key);
        values.Add(value);
    }

    private int Find(object? key, Meter meter)
    {
        if (Types.Text(key) is { } text) return FindText(text, meter);
        if (key is SequenceValue or DictValue or SliceValue) Hashing.Require(key, meter);
        meter.Step(keys.Count);
        for (var i = 0; i < keys.Count; i++)
        {
            if (keys[i] is not string && Equality.AreEqual(keys[i], key, meter)) return i;
        }

        return -1;
    }

    private int FindText(string text, Meter meter)
    {
        if (keys.Count <= Few)
        {
            for (var i = 0; i < keys.Count; i++)
            {
                if (keys[i] is string other && text == other) return i;
            }

            return -1;
        }

        meter.Read(text.Length);
        if (texts is null)
        {
            texts = new Dictionary<string, int>(keys.Count, StringComparer.Ordinal);
            for (var i = 0; i < keys.Count; i++)
            {
                if (keys[i] is string other) texts.Add(other, i);
            }
        }

        return texts.TryGetValue(text, out var at) ? at : -1;
    }
}
