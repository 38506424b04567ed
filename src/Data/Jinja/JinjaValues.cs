using System.Numerics;
using System.Text.Json;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja;

/// <summary>JSON as a template sees it.</summary>
internal static class JinjaValues
{
    /// <summary>A JSON value; a key that stands twice has its last value.</summary>
    public static object? Of(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return element.GetString();
            case JsonValueKind.True: return Types.True;
            case JsonValueKind.False: return Types.False;
            case JsonValueKind.Number: return Number(element);
            case JsonValueKind.Array:
                var items = new object?[element.GetArrayLength()];
                var at = 0;
                foreach (var item in element.EnumerateArray()) items[at++] = Of(item);
                return new ListValue(items);
            case JsonValueKind.Object:
                var meter = new Meter();
                var made = new DictValue();
                foreach (var property in element.EnumerateObject()) made.Set(property.Name, Of(property.Value), meter);
                return made;
            default: return null;
        }
    }

    private static object Number(JsonElement element)
    {
        if (element.TryGetInt64(out var small)) return small;
        var text = element.GetRawText();
        return text.AsSpan().IndexOfAny('.', 'e', 'E') < 0 && text.Length < 4300
            ? BigInteger.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
            : element.GetDouble();
    }
}
