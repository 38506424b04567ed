using System.Globalization;
using System.Numerics;
using System.Text;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>How Python prints values: <c>str</c> and <c>repr</c>.</summary>
internal static class Printing
{
    /// <summary>A value as <c>{{ }}</c> prints it.</summary>
    public static string Str(object? value, Meter meter) => value switch
    {
        string text => text,
        Markup markup => markup.Text,
        Undefined => "",
        long number => number.ToString(CultureInfo.InvariantCulture),
        _ => Repr(value, meter),
    };

    /// <summary>A value as it stands within a list.</summary>
    public static string Repr(object? value, Meter meter)
    {
        var text = new StringBuilder();
        Repr(value, text, meter);
        meter.Write(text.Length);
        return text.ToString();
    }

    /// <summary>A float: the shortest digits that give it again.</summary>
    public static string Float(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        var (sign, digits, exponent) = Digits(value);
        if (exponent is < -4 or >= 16)
        {
            var fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{digits[0]}{fraction}e{exponent:+00;-00}");
        }

        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        digits = digits.PadRight(exponent + 1, '0');
        return $"{sign}{digits[..(exponent + 1)]}.{(digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0")}";
    }

    /// <summary>A text in quotes.</summary>
    public static void Quote(string value, StringBuilder text)
    {
        var quote = value.Contains('\'') && !value.Contains('"') ? '"' : '\'';
        text.Append(quote);
        for (var i = 0; i < value.Length; i++)
        {
            var unit = value[i];
            if (unit == quote || unit == '\\') text.Append('\\').Append(unit);
            else if (unit is >= ' ' and < '\x7f') text.Append(unit);
            else if (unit is '\n' or '\r' or '\t') text.Append(unit == '\n' ? "\\n" : unit == '\r' ? "\\r" : "\\t");
            else if (i + 1 < value.Length && char.IsSurrogatePair(unit, value[i + 1]))
            {
                var point = char.ConvertToUtf32(unit, value[++i]);
                if (IsPrintable(point)) text.Append(unit).Append(value[i]);
                else text.Append(CultureInfo.InvariantCulture, $"\\U{point:x8}");
            }
            else if (IsPrintable(unit)) text.Append(unit);
            else if (unit < '\x100') text.Append(CultureInfo.InvariantCulture, $"\\x{(int)unit:x2}");
            else text.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
        }

        text.Append(quote);
    }

    private static void Repr(object? value, StringBuilder text, Meter meter)
    {
        meter.Step();
        switch (value)
        {
            case null: text.Append("None"); break;
            case bool flag: text.Append(flag ? "True" : "False"); break;
            case long number: text.Append(number); break;
            case BigInteger number: text.Append(number.ToString(CultureInfo.InvariantCulture)); break;
            case double number: text.Append(Float(number)); break;
            case string word:
                meter.Write(word.Length);
                Quote(word, text);
                break;
            case Markup markup:
                text.Append("Markup(");
                Quote(markup.Text, text);
                text.Append(')');
                break;
            case Undefined: text.Append("Undefined"); break;
            case ListValue list: Elements("[", list.Items, "]", text, meter); break;
            case TupleValue tuple: Elements("(", tuple.Items, tuple.Items.Length == 1 ? ",)" : ")", text, meter); break;
            case DictValue dictionary: Entries(dictionary, text, meter); break;
            case ViewValue view: Elements($"dict_{view.Kind}([", view.Elements(), "])", text, meter); break;
            case RangeValue range:
                text.Append(CultureInfo.InvariantCulture, $"range({range.Start}, {range.Stop}");
                text.Append(range.Step == 1 ? ")" : string.Create(CultureInfo.InvariantCulture, $", {range.Step})"));
                break;
            case NamespaceValue names:
                text.Append("<Namespace ");
                Entries(names.Attributes, text, meter);
                text.Append('>');
                break;
            case Callable callable: text.Append($"<function {callable.Name}>"); break;
            default: text.Append($"<{Types.Name(value)} object>"); break;
        }

        if (text.Length > Meter.MostText) meter.Write(text.Length);
    }

    private static void Elements(string open, IEnumerable<object?> items, string close, StringBuilder text, Meter meter)
    {
        meter.Enter();
        text.Append(open);
        var first = true;
        foreach (var item in items)
        {
            if (!first) text.Append(", ");
            first = false;
            Repr(item, text, meter);
        }

        text.Append(close);
        meter.Leave();
    }

    private static void Entries(DictValue dictionary, StringBuilder text, Meter meter)
    {
        meter.Enter();
        text.Append('{');
        for (var i = 0; i < dictionary.Count; i++)
        {
            if (i > 0) text.Append(", ");
            Repr(dictionary.Keys[i], text, meter);
            text.Append(": ");
            Repr(dictionary.Values[i], text, meter);
        }

        text.Append('}');
        meter.Leave();
    }

    private static (string Sign, string Digits, int Exponent) Digits(double value)
    {
        var written = value.ToString("E16", CultureInfo.InvariantCulture);
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var sign = written[0] == '-' ? "-" : "";
        var mark = shortest.IndexOf('E', StringComparison.Ordinal);
        var mantissa = (mark < 0 ? shortest : shortest[..mark]).TrimStart('-');
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal).TrimStart('0').TrimEnd('0');
        if (digits.Length == 0) return (sign, "0", 0);
        var point = mantissa.IndexOf('.', StringComparison.Ordinal) is >= 0 and var at ? at : mantissa.Length;
        var leading = mantissa.Replace(".", "", StringComparison.Ordinal).TakeWhile(static digit => digit == '0').Count();
        var power = mark < 0 ? 0 : int.Parse(shortest[(mark + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return (sign, digits, point - leading - 1 + power);
    }

    private static bool IsPrintable(int point) => CharUnicodeInfo.GetUnicodeCategory(point) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);
}
