using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>
/// Kinds of values, as Python names them: null is None, bool, long and <see cref="BigInteger"/> are ints, double is float, string and
/// <see cref="Markup"/> are str.
/// </summary>
internal static class Types
{
    public static readonly object True = true;
    public static readonly object False = false;

    /// <summary>A truth value without a new object.</summary>
    public static object Box(bool value) => value ? True : False;

    /// <summary>Python's name of a value's type.</summary>
    public static string Name(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long or BigInteger => "int",
        double => "float",
        string => "str",
        Markup => "Markup",
        ListValue => "list",
        TupleValue => "tuple",
        DictValue => "dict",
        RangeValue => "range",
        ViewValue view => "dict_" + view.Kind,
        IteratorValue => "generator",
        Undefined => "Undefined",
        NamespaceValue => "Namespace",
        Callable => "function",
        _ => value.GetType().Name,
    };

    /// <summary>Whether a value counts as true.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        string text => text.Length > 0,
        long number => number != 0,
        double number => number != 0,
        BigInteger number => !number.IsZero,
        Markup markup => markup.Text.Length > 0,
        SequenceValue sequence => sequence.Items.Length > 0,
        DictValue dictionary => dictionary.Count > 0,
        RangeValue range => range.Length > 0,
        ViewValue view => view.Source.Count > 0,
        _ => true,
    };

    /// <summary>The text of a str; null: another kind.</summary>
    public static string? Text(object? value) => value as string ?? (value as Markup)?.Text;

    /// <summary>Whether a value is a whole number; truth values are.</summary>
    public static bool IsWhole(object? value, out BigInteger number)
    {
        number = value switch
        {
            bool flag => flag ? 1 : 0,
            long small => small,
            BigInteger large => large,
            _ => default,
        };
        return value is bool or long or BigInteger;
    }

    /// <summary>A whole number as it is kept: large only where it must be.</summary>
    public static object Whole(BigInteger number) =>
        number >= long.MinValue && number <= long.MaxValue ? (long)number : number.GetBitLength() <= MostBits
            ? number
            : throw new JinjaException(JinjaFailure.Limit, "it computes a number of thousands of digits, which no chat template needs");

    /// <summary>A whole number that counts something here.</summary>
    public static int Count(object? value, string what) =>
        IsWhole(value, out var number)
            ? (int)BigInteger.Clamp(number, int.MinValue, int.MaxValue)
            : throw (value as Undefined)?.Error()
                ?? JinjaException.Impossible($"{what} needs a whole number, not '{Name(value)}'");

    /// <summary>The text of a str.</summary>
    /// <exception cref="JinjaException">The value is of another kind.</exception>
    public static string RequireText(object? value, string what) =>
        Text(value)
        ?? throw (value as Undefined)?.Error() ?? JinjaException.Impossible($"{what} needs a text, not '{Name(value)}'");

    private const int MostBits = 14_000;
}

/// <summary>A text that is marked safe; what is added to it is escaped.</summary>
internal sealed record Markup(string Text);
