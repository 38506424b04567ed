using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Methods of Python's values, those that change nothing.</summary>
internal static class Methods
{
    /// <summary>A method of a value; null: there is none of that name.</summary>
    public static Callable? Find(object? value, string name)
    {
        switch (value)
        {
            case string text:
                return TextMethods.Table.TryGetValue(name, out var ofText) ? new Bound<string>(name, text, ofText) : null;
            case Markup markup:
                return TextMethods.Table.TryGetValue(name, out var ofMarkup) ? new Bound<string>(name, markup.Text, ofMarkup) : null;
            case DictValue dictionary:
                return OfDict.TryGetValue(name, out var ofDict) ? new Bound<DictValue>(name, dictionary, ofDict) : null;
            case SequenceValue sequence:
                return OfSequence.TryGetValue(name, out var ofSequence) && (name != "copy" || value is ListValue)
                    ? new Bound<SequenceValue>(name, sequence, ofSequence)
                    : null;
            case double number when name == "is_integer":
                return new Bound<double>(name, number, static (_, self, _) => Types.Box(Math.Floor(self) == self && double.IsFinite(self)));
            case RangeValue range when name is "count" or "index":
                return Find(new TupleValue([.. range.Numbers()]), name);
            default:
                return null;
        }
    }

    private static readonly Dictionary<string, Func<Meter, DictValue, Arguments, object?>> OfDict = new()
    {
        ["items"] = static (_, self, arguments) => View("items", self, arguments),
        ["keys"] = static (_, self, arguments) => View("keys", self, arguments),
        ["values"] = static (_, self, arguments) => View("values", self, arguments),
        ["get"] = static (meter, self, arguments) =>
        {
            var given = arguments.OnlyPositional("get", 1, 2);
            return self.TryGet(given[0], meter, out var value) ? value : given.Length > 1 ? given[1] : null;
        },
        ["copy"] = static (_, self, arguments) =>
        {
            arguments.OnlyPositional("copy", 0, 0);
            return self;
        },
    };

    private static readonly Dictionary<string, Func<Meter, SequenceValue, Arguments, object?>> OfSequence = new()
    {
        ["count"] = static (meter, self, arguments) =>
        {
            var sought = arguments.OnlyPositional("count", 1, 1)[0];
            meter.Step(self.Items.Length);
            return (long)self.Items.Count(item => Equality.AreEqual(item, sought, meter));
        },
        ["index"] = static (meter, self, arguments) =>
        {
            var sought = arguments.OnlyPositional("index", 1, 1)[0];
            meter.Step(self.Items.Length);
            var at = Array.FindIndex(self.Items, item => Equality.AreEqual(item, sought, meter));
            return at >= 0 ? (long)at : throw JinjaException.Impossible($"{Printing.Repr(sought, meter)} is not in list");
        },
        ["copy"] = static (_, self, arguments) =>
        {
            arguments.OnlyPositional("copy", 0, 0);
            return self;
        },
    };

    private static ViewValue View(string kind, DictValue self, Arguments arguments)
    {
        arguments.OnlyPositional(kind, 0, 0);
        return new ViewValue(kind, self);
    }

    private sealed class Bound<T>(string name, T self, Func<Meter, T, Arguments, object?> method) : Callable
    {
        public override string Name => name;

        public override object? Call(Meter meter, Arguments arguments) => method(meter, self, arguments);
    }
}
