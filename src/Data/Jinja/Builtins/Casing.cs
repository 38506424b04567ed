using System.Globalization;
using System.Text;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Upper and lower case as Unicode's SpecialCasing has it, where it is not one letter for one.</summary>
internal static class Casing
{
    // Each a letter and what stands for it in upper case, in Python: c + c.upper() where len(c.upper()) > 1.
    private static readonly Dictionary<int, string> UpperCases = Read(
        "\u00dfSS \u0149\u02bcN \u01f0J\u030c \u0390\u0399\u0308\u0301 \u03b0\u03a5\u0308\u0301 \u0587\u0535\u0552 "
        + "\u1e96H\u0331 \u1e97T\u0308 \u1e98W\u030a \u1e99Y\u030a \u1e9aA\u02be \u1f50\u03a5\u0313 "
        + "\u1f52\u03a5\u0313\u0300 \u1f54\u03a5\u0313\u0301 \u1f56\u03a5\u0313\u0342 \u1f80\u1f08\u0399 "
        + "\u1f81\u1f09\u0399 \u1f82\u1f0a\u0399 \u1f83\u1f0b\u0399 \u1f84\u1f0c\u0399 \u1f85\u1f0d\u0399 "
        + "\u1f86\u1f0e\u0399 \u1f87\u1f0f\u0399 \u1f88\u1f08\u0399 \u1f89\u1f09\u0399 \u1f8a\u1f0a\u0399 "
        + "\u1f8b\u1f0b\u0399 \u1f8c\u1f0c\u0399 \u1f8d\u1f0d\u0399 \u1f8e\u1f0e\u0399 \u1f8f\u1f0f\u0399 "
        + "\u1f90\u1f28\u0399 \u1f91\u1f29\u0399 \u1f92\u1f2a\u0399 \u1f93\u1f2b\u0399 \u1f94\u1f2c\u0399 "
        + "\u1f95\u1f2d\u0399 \u1f96\u1f2e\u0399 \u1f97\u1f2f\u0399 \u1f98\u1f28\u0399 \u1f99\u1f29\u0399 "
        + "\u1f9a\u1f2a\u0399 \u1f9b\u1f2b\u0399 \u1f9c\u1f2c\u0399 \u1f9d\u1f2d\u0399 \u1f9e\u1f2e\u0399 "
        + "\u1f9f\u1f2f\u0399 \u1fa0\u1f68\u0399 \u1fa1\u1f69\u0399 \u1fa2\u1f6a\u0399 \u1fa3\u1f6b\u0399 "
        + "\u1fa4\u1f6c\u0399 \u1fa5\u1f6d\u0399 \u1fa6\u1f6e\u0399 \u1fa7\u1f6f\u0399 \u1fa8\u1f68\u0399 "
        + "\u1fa9\u1f69\u0399 \u1faa\u1f6a\u0399 \u1fab\u1f6b\u0399 \u1fac\u1f6c\u0399 \u1fad\u1f6d\u0399 "
        + "\u1fae\u1f6e\u0399 \u1faf\u1f6f\u0399 \u1fb2\u1fba\u0399 \u1fb3\u0391\u0399 \u1fb4\u0386\u0399 "
        + "\u1fb6\u0391\u0342 \u1fb7\u0391\u0342\u0399 \u1fbc\u0391\u0399 \u1fc2\u1fca\u0399 \u1fc3\u0397\u0399 "
        + "\u1fc4\u0389\u0399 \u1fc6\u0397\u0342 \u1fc7\u0397\u0342\u0399 \u1fcc\u0397\u0399 \u1fd2\u0399\u0308\u0300 "
        + "\u1fd3\u0399\u0308\u0301 \u1fd6\u0399\u0342 \u1fd7\u0399\u0308\u0342 \u1fe2\u03a5\u0308\u0300 "
        + "\u1fe3\u03a5\u0308\u0301 \u1fe4\u03a1\u0313 \u1fe6\u03a5\u0342 \u1fe7\u03a5\u0308\u0342 \u1ff2\u1ffa\u0399 "
        + "\u1ff3\u03a9\u0399 \u1ff4\u038f\u0399 \u1ff6\u03a9\u0342 \u1ff7\u03a9\u0342\u0399 \u1ffc\u03a9\u0399 \ufb00FF "
        + "\ufb01FI \ufb02FL \ufb03FFI \ufb04FFL \ufb05ST \ufb06ST \ufb13\u0544\u0546 \ufb14\u0544\u0535 "
        + "\ufb15\u0544\u053b \ufb16\u054e\u0546 \ufb17\u0544\u053d");

    // The same for c.title(), where it is not c.upper().
    private static readonly Dictionary<int, string> TitleCases = Read(
        "\u00dfSs \u01c4\u01c5 \u01c5\u01c5 \u01c6\u01c5 \u01c7\u01c8 \u01c8\u01c8 \u01c9\u01c8 \u01ca\u01cb "
        + "\u01cb\u01cb \u01cc\u01cb \u01f1\u01f2 \u01f2\u01f2 \u01f3\u01f2 \u0587\u0535\u0582 \u1f80\u1f88 \u1f81\u1f89 "
        + "\u1f82\u1f8a \u1f83\u1f8b \u1f84\u1f8c \u1f85\u1f8d \u1f86\u1f8e \u1f87\u1f8f \u1f88\u1f88 \u1f89\u1f89 "
        + "\u1f8a\u1f8a \u1f8b\u1f8b \u1f8c\u1f8c \u1f8d\u1f8d \u1f8e\u1f8e \u1f8f\u1f8f \u1f90\u1f98 \u1f91\u1f99 "
        + "\u1f92\u1f9a \u1f93\u1f9b \u1f94\u1f9c \u1f95\u1f9d \u1f96\u1f9e \u1f97\u1f9f \u1f98\u1f98 \u1f99\u1f99 "
        + "\u1f9a\u1f9a \u1f9b\u1f9b \u1f9c\u1f9c \u1f9d\u1f9d \u1f9e\u1f9e \u1f9f\u1f9f \u1fa0\u1fa8 \u1fa1\u1fa9 "
        + "\u1fa2\u1faa \u1fa3\u1fab \u1fa4\u1fac \u1fa5\u1fad \u1fa6\u1fae \u1fa7\u1faf \u1fa8\u1fa8 \u1fa9\u1fa9 "
        + "\u1faa\u1faa \u1fab\u1fab \u1fac\u1fac \u1fad\u1fad \u1fae\u1fae \u1faf\u1faf \u1fb2\u1fba\u0345 \u1fb3\u1fbc "
        + "\u1fb4\u0386\u0345 \u1fb7\u0391\u0342\u0345 \u1fbc\u1fbc \u1fc2\u1fca\u0345 \u1fc3\u1fcc \u1fc4\u0389\u0345 "
        + "\u1fc7\u0397\u0342\u0345 \u1fcc\u1fcc \u1ff2\u1ffa\u0345 \u1ff3\u1ffc \u1ff4\u038f\u0345 "
        + "\u1ff7\u03a9\u0342\u0345 \u1ffc\u1ffc \ufb00Ff \ufb01Fi \ufb02Fl \ufb03Ffi \ufb04Ffl \ufb05St \ufb06St "
        + "\ufb13\u0544\u0576 \ufb14\u0544\u0565 \ufb15\u0544\u056b \ufb16\u054e\u0576 \ufb17\u0544\u056d");

    public static string Upper(string text) => Map(text, static rune => UpperOf(rune));

    public static string Lower(string text)
    {
        if (Ascii.IsValid(text)) return text.ToLowerInvariant();
        var made = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == 'Σ') made.Append(EndsWord(text, i) ? 'ς' : 'σ');
            else if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1])) made.Append(LowerOf(new Rune(text[i], text[++i])));
            else made.Append(Rune.TryCreate(text[i], out var rune) ? LowerOf(rune) : text[i].ToString());
        }

        return made.ToString();
    }

    /// <summary>Python's <c>casefold</c>: lower case of upper case, which unites what differs in lower case only.</summary>
    public static string Fold(string text) => Map(Upper(text), LowerOf);

    /// <summary>Each word with its first letter in title case.</summary>
    public static string Title(string text)
    {
        var within = false;
        var made = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            made.Append(within ? LowerOf(rune) : TitleOf(rune));
            within = Letters.IsCased(rune);
        }

        return made.ToString();
    }

    /// <summary>The first letter in title case, the others in lower.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0) return "";
        Rune.DecodeFromUtf16(text, out var first, out var size);
        return TitleOf(first) + Lower(text)[LowerOf(first).Length..];
    }

    public static string Swap(string text) => Map(text, static rune =>
        Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter ? rune.ToString()
        : LowerOf(rune) is var lower && lower != rune.ToString() ? lower
        : UpperOf(rune));

    // Two letters whose upper case .NET leaves to the language.
    private static string UpperOf(Rune rune) => rune.Value switch
    {
        'ı' => "I",
        'ſ' => "S",
        _ => UpperCases.TryGetValue(rune.Value, out var several) ? several : Rune.ToUpperInvariant(rune).ToString(),
    };

    private static string LowerOf(Rune rune) => rune.Value == 'İ' ? "i̇" : Rune.ToLowerInvariant(rune).ToString();

    private static string TitleOf(Rune rune) => TitleCases.TryGetValue(rune.Value, out var title) ? title
        : rune.Value is >= 'ა' and <= 'ჿ' ? rune.ToString()
        : UpperOf(rune);

    // A sigma that letters precede and none follow.
    private static bool EndsWord(string text, int at) =>
        at > 0 && char.IsLetter(text[at - 1]) && (at + 1 == text.Length || !char.IsLetter(text[at + 1]));

    private static string Map(string text, Func<Rune, string> change)
    {
        var made = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) made.Append(change(rune));
        return made.ToString();
    }

    private static Dictionary<int, string> Read(string table) => table.Split(' ').ToDictionary(
        static entry => char.ConvertToUtf32(entry, 0),
        static entry => entry[(char.IsSurrogate(entry[0]) ? 2 : 1)..]);
}
