using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Methods of str.</summary>
internal static class TextMethods
{
    public static readonly Dictionary<string, Func<Meter, string, Arguments, object?>> Table = new()
    {
        ["upper"] = static (meter, self, arguments) => Plain(meter, self, arguments, Casing.Upper),
        ["lower"] = static (meter, self, arguments) => Plain(meter, self, arguments, Casing.Lower),
        ["casefold"] = static (meter, self, arguments) => Plain(meter, self, arguments, Casing.Fold),
        ["title"] = static (meter, self, arguments) => Plain(meter, self, arguments, Casing.Title),
        ["capitalize"] = static (meter, self, arguments) => Plain(meter, self, arguments, Casing.Capitalize),
        ["swapcase"] = static (meter, self, arguments) => Plain(meter, self, arguments, Casing.Swap),
        ["strip"] = static (meter, self, arguments) => Strip(meter, self, arguments, left: true, right: true),
        ["lstrip"] = static (meter, self, arguments) => Strip(meter, self, arguments, left: true, right: false),
        ["rstrip"] = static (meter, self, arguments) => Strip(meter, self, arguments, left: false, right: true),
        ["startswith"] = static (_, self, arguments) => Begins(self, arguments, "startswith", atEnd: false),
        ["endswith"] = static (_, self, arguments) => Begins(self, arguments, "endswith", atEnd: true),
        ["removeprefix"] = static (_, self, arguments) =>
        {
            var prefix = Types.RequireText(arguments.OnlyPositional("removeprefix", 1, 1)[0], "removeprefix");
            return self.StartsWith(prefix, StringComparison.Ordinal) ? self[prefix.Length..] : self;
        },
        ["removesuffix"] = static (_, self, arguments) =>
        {
            var suffix = Types.RequireText(arguments.OnlyPositional("removesuffix", 1, 1)[0], "removesuffix");
            return self.EndsWith(suffix, StringComparison.Ordinal) ? self[..^suffix.Length] : self;
        },
        ["replace"] = static (meter, self, arguments) =>
        {
            var given = arguments.OnlyPositional("replace", 2, 3);
            return TextSearch.Replace(
                self,
                Types.RequireText(given[0], "replace"),
                Types.RequireText(given[1], "replace"),
                given.Length > 2 ? Types.Count(given[2], "replace") : -1,
                meter);
        },
        ["find"] = static (meter, self, arguments) => TextSearch.Find(self, arguments, "find", last: false, meter),
        ["rfind"] = static (meter, self, arguments) => TextSearch.Find(self, arguments, "rfind", last: true, meter),
        ["index"] = static (meter, self, arguments) => Found(TextSearch.Find(self, arguments, "index", last: false, meter)),
        ["rindex"] = static (meter, self, arguments) => Found(TextSearch.Find(self, arguments, "rindex", last: true, meter)),
        ["count"] = static (meter, self, arguments) => TextSearch.Count(self, arguments, meter),
        ["split"] = static (meter, self, arguments) => Splitting.Split(self, arguments, fromRight: false, meter),
        ["rsplit"] = static (meter, self, arguments) => Splitting.Split(self, arguments, fromRight: true, meter),
        ["splitlines"] = static (meter, self, arguments) =>
        {
            var keep = arguments.Bind("splitlines", "keepends")[0];
            return new ListValue(Splitting.Lines(self, !ReferenceEquals(keep, Arguments.Absent) && Types.IsTrue(keep), meter));
        },
        ["partition"] = static (meter, self, arguments) => Splitting.Partition(self, arguments, last: false, meter),
        ["rpartition"] = static (meter, self, arguments) => Splitting.Partition(self, arguments, last: true, meter),
        ["join"] = static (meter, self, arguments) =>
        {
            var parts = Sequence.ToArray(arguments.OnlyPositional("join", 1, 1)[0], meter);
            var wrong = Array.FindIndex(parts, static part => Types.Text(part) is null);
            if (wrong >= 0)
                throw JinjaException.Impossible($"sequence item {wrong}: expected str instance, {Types.Name(parts[wrong])} found");
            return Joined(self, [.. parts.Select(static part => Types.Text(part)!)], meter);
        },
        ["format"] = static (meter, self, arguments) => BraceFormat.Format(self, arguments, meter),
        ["center"] = static (meter, self, arguments) => Padded(meter, self, arguments, "center"),
        ["ljust"] = static (meter, self, arguments) => Padded(meter, self, arguments, "ljust"),
        ["rjust"] = static (meter, self, arguments) => Padded(meter, self, arguments, "rjust"),
        ["zfill"] = static (meter, self, arguments) =>
        {
            var width = Types.Count(arguments.OnlyPositional("zfill", 1, 1)[0], "zfill") - PythonText.Length(self);
            var sign = self.Length > 0 && self[0] is '+' or '-' ? 1 : 0;
            return self[..sign] + PythonText.Repeat("0", width, meter) + self[sign..];
        },
        ["expandtabs"] = static (meter, self, arguments) => Splitting.ExpandTabs(self, arguments, meter),
        ["isspace"] = static (meter, self, _) => All(meter, self, static rune => PythonText.IsSpace((char)Math.Min(rune.Value, 0xffff))),
        ["isdigit"] = static (meter, self, _) => All(meter, self, Letters.IsDigit),
        ["isdecimal"] = static (meter, self, _) => All(meter, self, Letters.IsDecimal),
        ["isnumeric"] = static (meter, self, _) => All(meter, self, System.Text.Rune.IsNumber),
        ["isalpha"] = static (meter, self, _) => All(meter, self, System.Text.Rune.IsLetter),
        ["isalnum"] = static (meter, self, _) => All(meter, self, System.Text.Rune.IsLetterOrDigit),
        ["isascii"] = static (_, self, _) => Types.Box(System.Text.Ascii.IsValid(self)),
        ["isupper"] = static (meter, self, _) => Types.Box(Letters.IsUpper(self, meter)),
        ["islower"] = static (meter, self, _) => Types.Box(Letters.IsLower(self, meter)),
        ["istitle"] = static (meter, self, _) => Types.Box(self.EnumerateRunes().Any(Letters.IsCased) && Casing.Title(self) == self),
        ["isidentifier"] = static (_, self, _) => Types.Box(Letters.IsIdentifier(self)),
    };

    /// <summary>Texts with one between them.</summary>
    public static string Joined(string separator, string[] parts, Meter meter)
    {
        meter.Write(parts.Sum(static part => (long)part.Length) + (long)separator.Length * Math.Max(0, parts.Length - 1));
        return string.Join(separator, parts);
    }

    private static string Plain(Meter meter, string self, Arguments arguments, Func<string, string> change)
    {
        arguments.OnlyPositional("the method", 0, 0);
        meter.Write(self.Length);
        return change(self);
    }

    private static string Strip(Meter meter, string self, Arguments arguments, bool left, bool right)
    {
        var given = arguments.OnlyPositional("strip", 0, 1);
        meter.Read(self.Length);
        var characters = given.Length == 0 || given[0] is null ? null : Types.RequireText(given[0], "strip");
        if (characters is not null) meter.Search(self.Length, characters.Length);
        return PythonText.Strip(self, characters, left, right);
    }

    private static object Begins(string self, Arguments arguments, string name, bool atEnd)
    {
        var given = arguments.OnlyPositional(name, 1, 3);
        var text = given.Length > 1 ? TextSearch.Window(self, given, out _) : self;
        if (text is null) return Types.False;
        return Types.Box(given[0] is TupleValue several ? several.Items.Any(One) : One(given[0]));

        bool One(object? part) => Types.RequireText(part, name) is var affix && (atEnd
            ? text.EndsWith(affix, StringComparison.Ordinal)
            : text.StartsWith(affix, StringComparison.Ordinal));
    }

    private static object Found(object? place) =>
        place is long and >= 0 ? place : throw JinjaException.Impossible("substring not found");

    private static string Padded(Meter meter, string self, Arguments arguments, string name)
    {
        var given = arguments.OnlyPositional(name, 1, 2);
        var fill = given.Length > 1 ? Types.RequireText(given[1], name) : " ";
        if (PythonText.Length(fill) != 1)
            throw JinjaException.Impossible("The fill character must be exactly one character long");
        return Pad(self, Types.Count(given[0], name), fill, name, meter);
    }

    /// <summary>A text filled up to a width.</summary>
    public static string Pad(string self, int width, string fill, string side, Meter meter)
    {
        var missing = width - PythonText.Length(self);
        if (missing <= 0) return self;
        var left = side switch
        {
            "ljust" => 0,
            "rjust" => missing,
            _ => missing / 2 + (missing & width & 1),
        };
        return PythonText.Repeat(fill, left, meter) + self + PythonText.Repeat(fill, missing - left, meter);
    }

    private static object All(Meter meter, string self, Func<System.Text.Rune, bool> test)
    {
        meter.Read(self.Length);
        return Types.Box(self.Length > 0 && self.EnumerateRunes().All(test));
    }
}
