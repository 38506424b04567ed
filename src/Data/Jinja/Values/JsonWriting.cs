using System.Globalization;
using System.Numerics;
using System.Text;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Python's <c>json.dumps</c>.</summary>
/// <param name="ascii">Whether other characters are escaped.</param>
/// <param name="indent">What a level is indented by; null: all on one line.</param>
/// <param name="comma">What separates elements.</param>
/// <param name="colon">What separates a key from its value.</param>
/// <param name="sort">Whether keys are sorted.</param>
/// <param name="meter">What it costs.</param>
internal sealed class JsonWriting(bool ascii, string? indent, string comma, string colon, bool sort, Meter meter)
{
    private readonly StringBuilder text = new();
    private int level;

    public string Write(object? value)
    {
        Append(value);
        meter.Write(text.Length);
        return text.ToString();
    }

    private void Append(object? value)
    {
        meter.Step();
        switch (value)
        {
            case null or bool or long or BigInteger or double:
                text.Append(Scalar(value));
                break;
            case SequenceValue sequence:
                Group('[', sequence.Items, ']', Append);
                break;
            case DictValue dictionary:
                Group('{', sort ? Sorted(dictionary) : Enumerable.Range(0, dictionary.Count), '}', i =>
                {
                    Quote(Key(dictionary.Keys[i]));
                    text.Append(colon);
                    Append(dictionary.Values[i]);
                });
                break;
            default:
                Quote(Types.Text(value)
                    ?? throw JinjaException.Impossible($"Object of type {Types.Name(value)} is not JSON serializable"));
                break;
        }

        if (text.Length > Meter.MostText) meter.Write(text.Length);
    }

    private void Group<T>(char open, IEnumerable<T> items, char close, Action<T> append)
    {
        meter.Enter();
        text.Append(open);
        level++;
        var any = false;
        foreach (var item in items)
        {
            if (any) text.Append(comma);
            Break();
            any = true;
            append(item);
        }

        level--;
        if (any) Break();
        text.Append(close);
        meter.Leave();
    }

    private void Break()
    {
        if (indent is null) return;
        meter.Write((long)indent.Length * level);
        text.Append('\n').Insert(text.Length, indent, level);
    }

    private IEnumerable<int> Sorted(DictValue dictionary)
    {
        var order = Enumerable.Range(0, dictionary.Count).ToArray();
        meter.Step(order.Length * 8);
        return order.Order(Comparer<int>.Create((a, b) => Order.Compare(dictionary.Keys[a], dictionary.Keys[b], "<", meter)));
    }

    private static string Key(object? key) => key switch
    {
        null or bool or long or BigInteger or double => Scalar(key),
        _ => Types.Text(key)
            ?? throw JinjaException.Impossible($"keys must be str, int, float, bool or None, not {Types.Name(key)}"),
    };

    private static string Scalar(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        double number => double.IsNaN(number) ? "NaN"
            : double.IsInfinity(number) ? number > 0 ? "Infinity" : "-Infinity"
            : Printing.Float(number),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private void Quote(string word)
    {
        meter.Write(word.Length);
        text.Append('"');
        foreach (var unit in word)
        {
            _ = unit switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\f' => text.Append("\\f"),
                '\b' => text.Append("\\b"),
                _ when unit < ' ' || (ascii && unit > '~') => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}"),
                _ => text.Append(unit),
            };
        }

        text.Append('"');
    }
}
