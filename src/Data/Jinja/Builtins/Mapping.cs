using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Filters that apply a filter or a test to each element; as Python's generators they do so when asked for the next.</summary>
internal static class Mapping
{
    /// <summary><c>map(attribute=…)</c> or <c>map('filter', …)</c>.</summary>
    public static object? Map(Meter meter, object? value, Arguments arguments)
    {
        return new IteratorValue(Items().GetEnumerator());

        IEnumerable<object?> Items()
        {
            if (!Types.IsTrue(value)) yield break;
            var change = Change(meter, arguments);
            foreach (var item in Sequence.Iterate(value, meter))
            {
                meter.Step();
                yield return change(item);
            }
        }
    }

    /// <summary><c>select</c>, <c>reject</c>, <c>selectattr</c>, <c>rejectattr</c>.</summary>
    public static object? Select(Meter meter, object? value, Arguments arguments, bool keep, bool ofAttribute)
    {
        return new IteratorValue(Items().GetEnumerator());

        IEnumerable<object?> Items()
        {
            if (!Types.IsTrue(value)) yield break;
            var test = Condition(meter, arguments, ofAttribute);
            foreach (var item in Sequence.Iterate(value, meter))
            {
                meter.Step();
                if (test(item) == keep) yield return item;
            }
        }
    }

    private static Func<object?, object?> Change(Meter meter, Arguments arguments)
    {
        var attribute = arguments.Find("attribute");
        if (arguments.Positional.Length == 0 && Filters.Given(attribute))
        {
            foreach (var (name, _) in arguments.Named)
            {
                if (name is not ("attribute" or "default")) throw JinjaException.Impossible($"Unexpected keyword argument '{name}'");
            }

            return Attributes.Getter(attribute, Filters.OrNone(arguments.Find("default")), meter);
        }

        if (arguments.Positional.Length == 0) throw JinjaException.Impossible("map requires a filter argument");
        var filter = Types.Text(arguments.Positional[0]) is { } filterName && Filters.Table.TryGetValue(filterName, out var found)
            ? found
            : throw JinjaException.Impossible($"No filter named {Printing.Repr(arguments.Positional[0], meter)}.");
        var rest = new Arguments(arguments.Positional[1..], arguments.Named);
        return item => filter(meter, item, rest);
    }

    private static Func<object?, bool> Condition(Meter meter, Arguments arguments, bool ofAttribute)
    {
        var skip = ofAttribute ? 1 : 0;
        if (arguments.Positional.Length < skip) throw JinjaException.Impossible("Missing parameter for attribute name");
        var get = ofAttribute ? Attributes.Getter(arguments.Positional[0], null, meter) : static item => item;
        if (arguments.Positional.Length == skip) return item => Types.IsTrue(get(item));
        var test = Types.Text(arguments.Positional[skip]) is { } name && Tests.Table.TryGetValue(name, out var found)
            ? found
            : throw JinjaException.Impossible($"No test named {Printing.Repr(arguments.Positional[skip], meter)}.");
        var rest = new Arguments(arguments.Positional[(skip + 1)..], arguments.Named);
        return item => test(meter, get(item), rest);
    }
}
