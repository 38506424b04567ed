using System.Globalization;
using System.Text;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>C's <c>strftime</c> in the C locale.</summary>
internal static class TimeFormat
{
    public static string Format(string format, DateTimeOffset now)
    {
        var made = new StringBuilder();
        for (var at = 0; at < format.Length; at++)
        {
            if (format[at] != '%' || at + 1 == format.Length)
            {
                made.Append(format[at]);
                continue;
            }

            var start = at++;
            var flag = format[at] is '-' or '_' or '0' or '^' or '#' && at + 1 < format.Length ? format[at++] : '\0';
            var field = Field(format[at], now);
            made.Append(field is null ? format[start..(at + 1)] : Flagged(field, flag));
        }

        return made.ToString();
    }

    private static string Flagged(string field, char flag)
    {
        var padded = field.Length > 1 && field[0] is '0' or ' ';
        return flag switch
        {
            '-' when padded => field.TrimStart('0', ' ') is { Length: > 0 } digits ? digits : "0",
            '_' when padded => (field.TrimStart('0') is { Length: > 0 } digits ? digits : "0").PadLeft(field.Length),
            '0' when padded => field.Replace(' ', '0'),
            '^' => field.ToUpperInvariant(),
            '#' => field.Any(char.IsAsciiLetterLower) ? field.ToUpperInvariant() : field.ToLowerInvariant(),
            _ => field,
        };
    }

    private static string? Field(char letter, DateTimeOffset now)
    {
        var weekday = (int)now.DayOfWeek;
        var hour = now.Hour % 12 == 0 ? 12 : now.Hour % 12;
        return letter switch
        {
            'a' => Net("ddd"),
            'A' => Net("dddd"),
            'b' or 'h' => Net("MMM"),
            'B' => Net("MMMM"),
            'c' => $"{Net("ddd MMM")} {now.Day,2} {Net("HH:mm:ss yyyy")}",
            'C' => Two(now.Year / 100),
            'd' => Two(now.Day),
            'D' or 'x' => Net("MM'/'dd'/'yy"),
            'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'f' => Net("ffffff"),
            'F' => Net("yyyy-MM-dd"),
            'G' => ISOWeek.GetYear(now.DateTime).ToString("0000", CultureInfo.InvariantCulture),
            'g' => Two(ISOWeek.GetYear(now.DateTime) % 100),
            'H' => Two(now.Hour),
            'I' => Two(hour),
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'k' => now.Hour.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'l' => hour.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'm' => Two(now.Month),
            'M' => Two(now.Minute),
            'n' => "\n",
            'p' => now.Hour < 12 ? "AM" : "PM",
            'P' => now.Hour < 12 ? "am" : "pm",
            'r' => $"{Two(hour)}:{Net("mm:ss")} {(now.Hour < 12 ? "AM" : "PM")}",
            'R' => Net("HH:mm"),
            's' => now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'S' => Two(now.Second),
            't' => "\t",
            'T' or 'X' => Net("HH:mm:ss"),
            'u' => (weekday == 0 ? 7 : weekday).ToString(CultureInfo.InvariantCulture),
            'U' => Two((now.DayOfYear + 6 - weekday) / 7),
            'V' => Two(ISOWeek.GetWeekOfYear(now.DateTime)),
            'w' => weekday.ToString(CultureInfo.InvariantCulture),
            'W' => Two((now.DayOfYear + 6 - (weekday + 6) % 7) / 7),
            'y' => Two(now.Year % 100),
            'Y' => now.Year.ToString(CultureInfo.InvariantCulture),
            'z' or 'Z' => "",
            '%' => "%",
            _ => null,
        };

        string Net(string format) => now.ToString(format, CultureInfo.InvariantCulture);
    }

    private static string Two(int number) => number.ToString("00", CultureInfo.InvariantCulture);
}
