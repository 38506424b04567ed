using System.Text;
using System.Text.RegularExpressions;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Filters of texts.</summary>
internal static partial class TextFilters
{
    public static readonly Dictionary<string, Filter> Table = new()
    {
        ["upper"] = static (meter, value, arguments) => Plain(meter, value, arguments, "upper", Casing.Upper),
        ["lower"] = static (meter, value, arguments) => Plain(meter, value, arguments, "lower", Casing.Lower),
        ["capitalize"] = static (meter, value, arguments) => Plain(meter, value, arguments, "capitalize", Casing.Capitalize),
        ["title"] = static (meter, value, arguments) => Plain(meter, value, arguments, "title", static text => string.Concat(
            WordBeginning().Split(text).Where(static part => part.Length > 0).Select(static part =>
                Rune.GetRuneAt(part, 0).Utf16SequenceLength is var size ? Casing.Upper(part[..size]) + Casing.Lower(part[size..]) : ""))),
        ["trim"] = Trim,
        ["string"] = static (meter, value, arguments) => value is Markup ? value : Plain(meter, value, arguments, "string", Same),
        ["safe"] = static (meter, value, arguments) => new Markup(Plain(meter, value, arguments, "safe", Same)),
        ["escape"] = Escape,
        ["e"] = Escape,
        ["forceescape"] = static (meter, value, _) => new Markup(PythonText.Escape(Text(meter, value))),
        ["striptags"] = static (meter, value, arguments) => Plain(meter, value, arguments, "striptags", StripTags),
        ["replace"] = static (meter, value, arguments) =>
        {
            var given = arguments.Bind("replace", "old", "new", "count");
            return TextSearch.Replace(
                Text(meter, value),
                Text(meter, Required(given[0], "replace")),
                Text(meter, Required(given[1], "replace")),
                Filters.OrNone(given[2]) is { } count ? Types.Count(count, "replace") : -1,
                meter);
        },
        ["format"] = static (meter, value, arguments) => arguments switch
        {
            { Positional.Length: > 0, Named.Length: > 0 } =>
                throw JinjaException.Impossible("can't handle positional and keyword arguments at the same time"),
            { Named.Length: > 0 } => PercentFormat.Format(Text(meter, value), Named(arguments, meter), meter),
            _ => PercentFormat.Format(Text(meter, value), new TupleValue(arguments.Positional), meter),
        },
        ["indent"] = Indent,
        ["center"] = static (meter, value, arguments) => TextMethods.Pad(
            Text(meter, value),
            Filters.Count(arguments.Bind("center", "width")[0], 80, "center"),
            " ",
            "center",
            meter),
        ["truncate"] = Truncate,
        ["wordwrap"] = static (meter, value, arguments) => Wrapping.Wrap(Types.RequireText(value, "wordwrap"), arguments, meter),
        ["wordcount"] = static (meter, value, _) => (long)Word().Count(Text(meter, value)),
        ["urlencode"] = UrlEncode,
        ["tojson"] = ToJson,
    };

    /// <summary>A value as a text.</summary>
    public static string Text(Meter meter, object? value)
    {
        var text = Printing.Str(value, meter);
        meter.Write(text.Length);
        return text;
    }

    private static string Plain(Meter meter, object? value, Arguments arguments, string name, Func<string, string> change)
    {
        arguments.Bind(name);
        return change(Text(meter, value));
    }

    private static string Same(string text) => text;

    private static object? Required(object? argument, string filter) =>
        Filters.Given(argument) ? argument : throw JinjaException.Impossible($"{filter}() misses an argument");

    private static DictValue Named(Arguments arguments, Meter meter)
    {
        var made = new DictValue();
        foreach (var (name, value) in arguments.Named) made.Set(name, value, meter);
        return made;
    }

    private static object? Trim(Meter meter, object? value, Arguments arguments)
    {
        var text = value as string ?? Text(meter, value);
        var characters = arguments.Positional.Length + arguments.Named.Length == 0
            ? null
            : Filters.OrNone(arguments.Bind("trim", "chars")[0]);
        meter.Read(text.Length);
        if (characters is null) return PythonText.Strip(text, null, left: true, right: true);
        var set = Types.RequireText(characters, "trim");
        meter.Search(text.Length, set.Length);
        return PythonText.Strip(text, set, left: true, right: true);
    }

    private static object? Escape(Meter meter, object? value, Arguments arguments)
    {
        arguments.Bind("escape");
        return value is Markup ? value : new Markup(PythonText.Escape(Text(meter, value)));
    }

    private static string StripTags(string text)
    {
        var words = Tag().Replace(Comment().Replace(text, ""), "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return System.Net.WebUtility.HtmlDecode(string.Join(' ', words));
    }

    private static object? Indent(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("indent", "width", "first", "blank");
        var indent = Types.Text(given[0]) ?? PythonText.Repeat(" ", Filters.Count(given[0], 4, "indent"), meter);
        var text = Types.RequireText(value, "indent");
        var lines = Splitting.Lines(text + "\n", keepEnds: false, meter);
        meter.Write(text.Length + (long)indent.Length * lines.Length);
        var blank = Filters.Flag(given[2]);
        var made = new StringBuilder();
        for (var i = 0; i < lines.Length; i++)
        {
            var line = (string)lines[i]!;
            if (i > 0) made.Append('\n');
            if (i == 0 ? Filters.Flag(given[1]) : blank || line.Length > 0) made.Append(indent);
            made.Append(line);
        }

        return made.ToString();
    }

    private static object? Truncate(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("truncate", "length", "killwords", "end", "leeway");
        var length = Filters.Count(given[0], 255, "truncate");
        var end = Filters.Given(given[2]) ? Types.RequireText(given[2], "truncate") : "...";
        var leeway = Filters.Count(Filters.OrNone(given[3]) ?? Arguments.Absent, 5, "truncate");
        var ending = PythonText.Length(end);
        if (length < ending || leeway < 0) throw JinjaException.Impossible($"truncate() needs a length of at least {ending}");
        if (Types.Text(value) is not { } text)
        {
            // What is short enough comes back as it is, whatever it is.
            return Sequence.Length(value, meter) <= length + (long)leeway ? value : Types.RequireText(value, "truncate");
        }

        meter.Step(text.Length);
        var points = PythonText.CodePoints(text);
        if (points.Length <= length + (long)leeway) return text;
        var cut = string.Concat(points[..(length - ending)]);
        if (!Filters.Flag(given[1]) && cut.LastIndexOf(' ') is >= 0 and var space) cut = cut[..space];
        return cut + end;
    }

    private static object? UrlEncode(Meter meter, object? value, Arguments arguments)
    {
        arguments.Bind("urlencode");
        if (value is string or Markup || Sequence.TryIterate(value, meter) is not { } items) return Quote(Text(meter, value), "/");
        if (value is DictValue dictionary) items = new ViewValue("items", dictionary).Elements();
        return string.Join('&', items.Select(pair => Sequence.ToArray(pair, meter) is [var key, var item]
            ? Quote(Text(meter, key), "", plus: true) + "=" + Quote(Text(meter, item), "", plus: true)
            : throw JinjaException.Impossible("urlencode() needs pairs")));
    }

    private static string Quote(string text, string safe, bool plus = false)
    {
        var made = new StringBuilder();
        foreach (var part in Encoding.UTF8.GetBytes(text))
        {
            var unit = (char)part;
            if (char.IsAsciiLetterOrDigit(unit) || "_.-~".Contains(unit) || safe.Contains(unit)) made.Append(unit);
            else if (plus && unit == ' ') made.Append('+');
            else made.Append('%').Append(part.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }

        return made.ToString();
    }

    // As transformers defines it: no escapes for web pages, and ensure_ascii first.
    private static object? ToJson(Meter meter, object? value, Arguments arguments)
    {
        var given = arguments.Bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        var indent = Filters.OrNone(given[1]) switch
        {
            null => null,
            var level when Types.Text(level) is { } text => text,
            var level => PythonText.Repeat(" ", Types.Count(level, "tojson"), meter),
        };
        var (comma, colon) = (indent is null ? ", " : ",", ": ");
        if (Filters.OrNone(given[2]) is { } separators)
        {
            if (Sequence.ToArray(separators, meter) is not [var first, var second])
                throw JinjaException.Impossible("tojson() needs two separators");
            (comma, colon) = (Types.RequireText(first, "tojson"), Types.RequireText(second, "tojson"));
        }

        return new JsonWriting(Filters.Flag(given[0]), indent, comma, colon, Filters.Flag(given[3]), meter).Write(value);
    }

    [GeneratedRegex(@"([-\s({\[<]+)", RegexOptions.NonBacktracking)]
    private static partial Regex WordBeginning();

    [GeneratedRegex(@"\w+", RegexOptions.NonBacktracking)]
    private static partial Regex Word();

    [GeneratedRegex("<!--.*?-->", RegexOptions.NonBacktracking | RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex("<.*?>", RegexOptions.NonBacktracking | RegexOptions.Singleline)]
    private static partial Regex Tag();
}
