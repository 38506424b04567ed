using System.Globalization;
using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Python's <c>'{0} of {x:>4}'.format(…)</c>; fields reach what templates reach, and no more.</summary>
internal static class BraceFormat
{
    public static string Format(string format, Arguments arguments, Meter meter)
    {
        var next = 0;
        return Format(format, arguments, ref next, 2, meter);
    }

    private static string Format(string format, Arguments arguments, ref int next, int depth, Meter meter)
    {
        if (depth < 0) throw JinjaException.Impossible("Max string recursion exceeded");
        var made = new StringBuilder();
        for (var at = 0; at < format.Length; at++)
        {
            var unit = format[at];
            if (unit is not ('{' or '}'))
            {
                made.Append(unit);
                continue;
            }

            meter.Step();
            if (at + 1 < format.Length && format[at + 1] == unit)
            {
                made.Append(unit);
                at++;
                continue;
            }

            if (unit == '}') throw JinjaException.Impossible("Single '}' encountered in format string");
            var end = FieldEnd(format, at + 1);
            made.Append(Field(format[(at + 1)..end], arguments, ref next, depth, meter));
            meter.Write(made.Length);
            at = end;
        }

        return made.ToString();
    }

    private static int FieldEnd(string format, int start)
    {
        for (int at = start, open = 1; at < format.Length; at++)
        {
            if (format[at] == '{') open++;
            else if (format[at] == '}' && --open == 0) return at;
        }

        throw JinjaException.Impossible("expected '}' before end of string");
    }

    private static string Field(string field, Arguments arguments, ref int next, int depth, Meter meter)
    {
        var bracket = 0;
        var end = 0;
        for (; end < field.Length && (bracket > 0 || field[end] is not (':' or '!')); end++)
            bracket += field[end] == '[' ? 1 : field[end] == ']' ? -1 : 0;
        var value = Value(field[..end], arguments, ref next, meter);
        if (end < field.Length && field[end] == '!')
        {
            if (end + 1 >= field.Length) throw JinjaException.Impossible("end of string while looking for conversion specifier");
            value = field[end + 1] switch
            {
                's' => Printing.Str(value, meter),
                'r' or 'a' => Printing.Repr(value, meter),
                var other => throw JinjaException.Impossible($"Unknown conversion specifier {other}"),
            };
            end += 2;
            if (end < field.Length && field[end] != ':') throw JinjaException.Impossible("expected ':' after conversion specifier");
        }

        var spec = end < field.Length ? Format(field[(end + 1)..], arguments, ref next, depth - 1, meter) : "";
        return spec.Length == 0 ? Printing.Str(value, meter) : FormatSpec.Parse(spec).Format(value, meter);
    }

    private static object? Value(string path, Arguments arguments, ref int next, Meter meter)
    {
        var at = path.AsSpan().IndexOfAny('.', '[') is >= 0 and var stop ? stop : path.Length;
        var first = path[..at];
        if (first.Length == 0) first = next++.ToString(CultureInfo.InvariantCulture);
        object? value;
        if (first.All(char.IsAsciiDigit))
        {
            value = int.TryParse(first, out var index) && index < arguments.Positional.Length
                ? arguments.Positional[index]
                : throw JinjaException.Impossible($"Replacement index {first} out of range for positional args tuple");
        }
        else
        {
            value = arguments.Find(first);
            if (ReferenceEquals(value, Arguments.Absent)) throw JinjaException.Impossible($"'{first}'");
        }

        while (at < path.Length)
        {
            if (path[at] == '.')
            {
                var end = path.AsSpan(at + 1).IndexOfAny('.', '[') is >= 0 and var length ? at + 1 + length : path.Length;
                value = Attributes.Get(value, path[(at + 1)..end], meter);
                at = end;
                continue;
            }

            var close = path.IndexOf(']', at);
            if (path[at] != '[' || close < 0) throw JinjaException.Impossible("Missing ']' in format string");
            var key = path[(at + 1)..close];
            value = Attributes.Item(value, key.All(char.IsAsciiDigit) && long.TryParse(key, out var number) ? number : key, meter);
            at = close + 1;
        }

        return value;
    }
}
