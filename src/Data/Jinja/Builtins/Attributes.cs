using System.Globalization;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary><c>value.name</c> and <c>value[name]</c> as the immutable sandbox allows them.</summary>
internal static class Attributes
{
    private static readonly Dictionary<string, HashSet<string>> Changing = new()
    {
        ["list"] = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"],
        ["dict"] = ["clear", "pop", "popitem", "setdefault", "update"],
    };

    /// <summary><c>value.name</c>: an attribute, else an element of that name.</summary>
    public static object? Get(object? value, string name, Meter meter)
    {
        if (Find(value, name, meter, out var attribute)) return attribute;
        return Subscripts.TryGet(value, name, meter, out var element) ? element : new Undefined(value, name);
    }

    /// <summary><c>value[index]</c>: an element, else an attribute of that name.</summary>
    public static object? Item(object? value, object? index, Meter meter)
    {
        if (Subscripts.TryGet(value, index, meter, out var element)) return element;
        return index is string name && Find(value, name, meter, out var attribute) ? attribute : new Undefined(value, index);
    }

    /// <summary>An attribute alone; false: there is none.</summary>
    public static bool Find(object? value, string name, Meter meter, out object? attribute)
    {
        meter.Step();
        if (value is Undefined undefined && !name.StartsWith("__", StringComparison.Ordinal)) throw undefined.Error();
        if (value is IAttributes own)
        {
            if (own.TryGet(name, meter, out attribute)) return true;
            if (value is not GroupValue) return false;
        }

        if (name.StartsWith('_'))
        {
            attribute = Forbidden(value, name);
            return name is "__class__" or "__doc__" or "__dict__" or "__init__" or "__len__" or "__getitem__" or "__iter__" or "__eq__";
        }

        attribute = Methods.Find(value, name);
        if (attribute is null && Changing.GetValueOrDefault(Types.Name(value))?.Contains(name) == true)
            attribute = Forbidden(value, name);
        return attribute is not null;
    }

    /// <summary>What reads a path of attributes (<c>a.b.0</c>), as filters take it.</summary>
    /// <param name="path">The path, an index, or null: the value itself.</param>
    /// <param name="absent">What stands for what is not there; null: nothing.</param>
    /// <param name="meter">What it costs.</param>
    public static Func<object?, object?> Getter(object? path, object? absent, Meter meter)
    {
        if (path is null) return static item => item;
        object?[] parts = Types.Text(path) is { } text
            ?
            [
                .. text.Split('.').Select(static part => part.Length > 0 && part.All(char.IsAsciiDigit) && part.Length < 10
                    ? int.Parse(part, CultureInfo.InvariantCulture) is var number ? (object)(long)number : null
                    : part),
            ]
            : [path];
        return item =>
        {
            foreach (var part in parts)
            {
                item = Item(item, part, meter);
                if (absent is not null && item is Undefined) item = absent;
            }

            return item;
        };
    }

    private static Undefined Forbidden(object? value, string name) =>
        new(value, name, $"access to attribute '{name}' of '{Types.Name(value)}' object is unsafe.") { Unsafe = true };
}
