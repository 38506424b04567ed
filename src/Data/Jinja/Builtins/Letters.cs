using System.Globalization;
using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>Kinds of letters, as Python tells them.</summary>
internal static class Letters
{
    public static bool IsDecimal(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber;

    public static bool IsDigit(Rune rune) =>
        IsDecimal(rune) || (rune.Value <= 0xffff && CharUnicodeInfo.GetDigitValue((char)rune.Value) >= 0);

    public static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter;

    /// <summary>Whether there are letters with case, all of them upper.</summary>
    public static bool IsUpper(string text, Meter meter) => AllCased(text, UnicodeCategory.UppercaseLetter, meter);

    /// <summary>Whether there are letters with case, all of them lower.</summary>
    public static bool IsLower(string text, Meter meter) => AllCased(text, UnicodeCategory.LowercaseLetter, meter);

    /// <summary>Whether a text is a name.</summary>
    public static bool IsIdentifier(string text) => text.Length > 0 && !char.IsAsciiDigit(text[0]) && text.All(IsNamePart)
        && CharUnicodeInfo.GetUnicodeCategory(text, 0) is not (UnicodeCategory.DecimalDigitNumber or UnicodeCategory.NonSpacingMark);

    /// <summary>Whether a character belongs to a name.</summary>
    public static bool IsNamePart(char unit) => char.IsAsciiLetterOrDigit(unit) || unit == '_'
        || (unit > '\x7f' && (char.IsLetterOrDigit(unit) || char.IsSurrogate(unit)
            || char.GetUnicodeCategory(unit) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark));

    private static bool AllCased(string text, UnicodeCategory category, Meter meter)
    {
        meter.Read(text.Length);
        var any = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (!IsCased(rune)) continue;
            if (Rune.GetUnicodeCategory(rune) != category) return false;
            any = true;
        }

        return any;
    }
}
