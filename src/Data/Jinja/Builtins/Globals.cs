using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Names that every template knows.</summary>
internal static class Globals
{
    /// <summary>The clock's name.</summary>
    public const string ClockName = "strftime_now";

    /// <summary>The functions, but the clock's.</summary>
    public static readonly Dictionary<string, object?> Table = new Function[]
    {
        new("range", Range),
        new("dict", Dict),
        new("namespace", static (meter, arguments) => new NamespaceValue(Dict(meter, arguments))),
        new("cycler", static (meter, arguments) => new Cycler(arguments.OnlyPositional("cycler", 1, int.MaxValue))),
        new("joiner", static (meter, arguments) =>
        {
            var separator = arguments.Bind("joiner", "sep")[0];
            return new Joiner(ReferenceEquals(separator, Arguments.Absent) ? ", " : separator);
        }),
        new("raise_exception", static (meter, arguments) =>
            throw new JinjaException(JinjaFailure.Raised, Printing.Str(arguments.Bind("raise_exception", "message")[0], meter))),
        new("lipsum", static (_, _) => throw JinjaException.Impossible("lipsum() writes random text, which is not done here")),
    }.ToDictionary(static function => function.Name, static function => (object?)function);

    /// <summary>The clock of a rendering.</summary>
    /// <param name="now">What time it is.</param>
    public static Function Clock(Func<DateTimeOffset> now) => new(ClockName, (_, arguments) =>
        TimeFormat.Format(Types.RequireText(arguments.Bind(ClockName, "format")[0], ClockName), now()));

    private static RangeValue Range(Meter meter, Arguments arguments)
    {
        var given = arguments.OnlyPositional("range", 1, 3);
        var bounds = Array.ConvertAll(given, static value => (long)Types.Count(value, "range"));
        return bounds.Length == 1 ? new RangeValue(0, bounds[0], 1) : new RangeValue(bounds[0], bounds[1], bounds.ElementAtOrDefault(2, 1));
    }

    private static long ElementAtOrDefault(this long[] values, int index, long absent) => index < values.Length ? values[index] : absent;

    private static DictValue Dict(Meter meter, Arguments arguments)
    {
        if (arguments.Positional.Length > 1)
            throw JinjaException.Impossible($"dict expected at most 1 argument, got {arguments.Positional.Length}");
        var made = new DictValue();
        if (arguments.Positional is [DictValue other])
        {
            for (var i = 0; i < other.Count; i++) made.Set(other.Keys[i], other.Values[i], meter);
        }
        else if (arguments.Positional is [NamespaceValue names])
        {
            for (var i = 0; i < names.Attributes.Count; i++) made.Set(names.Attributes.Keys[i], names.Attributes.Values[i], meter);
        }
        else if (arguments.Positional is [Undefined undefined])
        {
            throw undefined.Error();
        }
        else if (arguments.Positional.Length == 1)
        {
            foreach (var pair in Sequence.Iterate(arguments.Positional[0], meter))
            {
                if (Sequence.ToArray(pair, meter) is not [var key, var value])
                    throw JinjaException.Impossible("dictionary update sequence elements must have two elements");
                made.Set(key, value, meter);
            }
        }

        foreach (var (name, value) in arguments.Named) made.Set(name, value, meter);
        return made;
    }

    private sealed class Cycler(object?[] items) : IAttributes
    {
        private int at;

        public bool TryGet(string name, Meter meter, out object? value)
        {
            value = name switch
            {
                "current" => items[at],
                "next" => new Function("next", (_, _) =>
                {
                    var item = items[at];
                    at = (at + 1) % items.Length;
                    return item;
                }),
                "reset" => new Function("reset", (_, _) =>
                {
                    at = 0;
                    return null;
                }),
                _ => this,
            };
            return !ReferenceEquals(value, this);
        }
    }

    private sealed class Joiner(object? separator) : Callable
    {
        private bool used;

        public override string Name => "joiner";

        public override object? Call(Meter meter, Arguments arguments)
        {
            if (used) return separator;
            used = true;
            return "";
        }
    }
}
