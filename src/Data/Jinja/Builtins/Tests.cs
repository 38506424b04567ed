using System.Numerics;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>A test, <c>value is name(arguments)</c>.</summary>
internal delegate bool Test(Meter meter, object? value, Arguments arguments);

/// <summary>Jinja's tests.</summary>
internal static class Tests
{
    /// <summary>All by name.</summary>
    public static readonly Dictionary<string, Test> Table = new()
    {
        ["defined"] = static (_, value, _) => value is not Undefined,
        ["undefined"] = static (_, value, _) => value is Undefined,
        ["none"] = static (_, value, _) => value is null,
        ["boolean"] = static (_, value, _) => value is bool,
        ["true"] = static (_, value, _) => value is true,
        ["false"] = static (_, value, _) => value is false,
        ["integer"] = static (_, value, _) => value is long or BigInteger,
        ["float"] = static (_, value, _) => value is double,
        ["number"] = static (_, value, _) => Arithmetic.IsNumber(value),
        ["string"] = static (_, value, _) => value is string or Markup,
        ["mapping"] = static (_, value, _) => value is DictValue,
        ["sequence"] = static (_, value, _) => value is string or Markup or SequenceValue or DictValue or RangeValue or Undefined,
        ["iterable"] = static (meter, value, _) => value is string or Markup || Sequence.TryIterate(value, meter) is not null,
        ["callable"] = static (_, value, _) => value is Callable or Undefined,
        ["escaped"] = static (_, value, _) => value is Markup,
        ["lower"] = static (meter, value, _) => Letters.IsLower(Printing.Str(value, meter), meter),
        ["upper"] = static (meter, value, _) => Letters.IsUpper(Printing.Str(value, meter), meter),
        ["odd"] = static (meter, value, _) => Equality.AreEqual(Rest(value, 2L, meter), 1L, meter),
        ["even"] = static (meter, value, _) => Equality.AreEqual(Rest(value, 2L, meter), 0L, meter),
        ["divisibleby"] = static (meter, value, arguments) => Equality.AreEqual(Rest(value, Other(arguments), meter), 0L, meter),
        ["sameas"] = static (_, value, arguments) => Equality.AreSame(value, Other(arguments)),
        ["in"] = static (meter, value, arguments) => Sequence.Contains(Other(arguments), value, meter),
        ["filter"] = static (_, value, _) => value is string name && Filters.Table.ContainsKey(name),
        ["test"] = static (_, value, _) => value is string name && Table!.ContainsKey(name),
        ["eq"] = Equal,
        ["equalto"] = Equal,
        ["=="] = Equal,
        ["ne"] = Differ,
        ["!="] = Differ,
        ["gt"] = Above,
        ["greaterthan"] = Above,
        [">"] = Above,
        ["ge"] = static (meter, value, arguments) => Order.Compare(value, Other(arguments), ">=", meter) is 0 or 1,
        [">="] = static (meter, value, arguments) => Order.Compare(value, Other(arguments), ">=", meter) is 0 or 1,
        ["lt"] = Below,
        ["lessthan"] = Below,
        ["<"] = Below,
        ["le"] = static (meter, value, arguments) => Order.Compare(value, Other(arguments), "<=", meter) <= 0,
        ["<="] = static (meter, value, arguments) => Order.Compare(value, Other(arguments), "<=", meter) <= 0,
    };

    private static bool Equal(Meter meter, object? value, Arguments arguments) => Equality.AreEqual(value, Other(arguments), meter);

    private static bool Differ(Meter meter, object? value, Arguments arguments) => !Equal(meter, value, arguments);

    private static bool Above(Meter meter, object? value, Arguments arguments) =>
        Order.Compare(value, Other(arguments), ">", meter) == 1;

    private static bool Below(Meter meter, object? value, Arguments arguments) =>
        Order.Compare(value, Other(arguments), "<", meter) < 0;

    private static object? Other(Arguments arguments) => arguments switch
    {
        { Positional.Length: 1, Named.Length: 0 } => arguments.Positional[0],
        { Positional.Length: 0, Named.Length: 1 } => arguments.Named[0].Value,
        _ => throw JinjaException.Impossible("the test takes one argument"),
    };

    private static object? Rest(object? value, object? divisor, Meter meter) => value is string format
        ? PercentFormat.Format(format, divisor, meter)
        : Arithmetic.Remainder(value, divisor);
}
