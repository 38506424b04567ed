using System.Reflection;
using System.Runtime.Serialization;

namespace Peft.Orleans.Core;

/// <summary>Enumeration values as the run file spells them.</summary>
internal static class EnumerationWords
{
    /// <summary>The word of an enumeration value.</summary>
    public static string Word(Enum value) => value.GetType().GetField(value.ToString())!.GetCustomAttribute<EnumMemberAttribute>()!.Value!;

    /// <summary>The enumeration value of a word.</summary>
    public static object Parse(Type enumeration, string word) =>
        Enum.GetValues(enumeration).Cast<Enum>().First(value => Word(value) == word);
}
