using System.CommandLine;
using System.Globalization;

namespace Peft.Orleans.Client.Commands;

/// <summary>
/// Options whose value is a number: what is none, or does not fit, is refused with the option's name and the form expected.
/// </summary>
internal static class NumberOptions
{
    /// <summary>Reads the option's value and checks it.</summary>
    /// <param name="option">An option of int, long, double, or one of these that may be absent.</param>
    /// <param name="fits">Whether a number is one of those meant.</param>
    /// <param name="form">What is expected: <c>an integer of at least 1</c>.</param>
    /// <typeparam name="T">Type of the value.</typeparam>
    public static Option<T> Number<T>(this Option<T> option, Func<double, bool> fits, string form)
    {
        var type = Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T);
        option.CustomParser = result =>
        {
            var text = result.Tokens is [var token] ? token.Value : "";
            if (Parse(text, type) is { } value && fits(Convert.ToDouble(value, CultureInfo.InvariantCulture))) return (T)value;
            result.AddError($"{option.Name} {text}: expected {form}");
            return default;
        };
        return option;
    }

    private static object? Parse(string text, Type type)
    {
        var invariant = CultureInfo.InvariantCulture;
        if (type == typeof(int)) return int.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var integer) ? integer : null;
        if (type == typeof(long)) return long.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var large) ? large : null;
        return double.TryParse(text, NumberStyles.Float, invariant, out var number) && double.IsFinite(number) ? number : null;
    }
}
