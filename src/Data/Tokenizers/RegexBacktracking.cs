using System.Text.RegularExpressions;
using static Peft.Orleans.Data.Tokenizers.RegexShape;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// Regexes that may go back without bound: the native library gives up after ten million times, and ends the whole process with it.
/// </summary>
internal static class RegexBacktracking
{
    /// <summary>Fewer repetitions have few ways, whatever is repeated.</summary>
    private const int Many = 10;

    /// <summary>Why a regex is refused; null: it is not.</summary>
    internal static string? Fault(string regex) => Read(regex) is { } shape ? Fault(shape) : null;

    private static string? Fault(RegexShape shape) => shape switch
    {
        Repetition { Most: >= Many, GoesBack: true } again when !IsOneWay(again.Body) =>
            "its regex repeats what fits the same text in several ways, as (a|aa)+ and (a+)+ do, and can take time without bound; write it "
            + "without",
        Repetition again => Fault(again.Body),
        Place { Inner: { } inner } => Fault(inner),
        Alternatives either => either.Items.Select(Fault).FirstOrDefault(static fault => fault is not null),
        Sequence sequence => sequence.Items.Select(Fault).FirstOrDefault(static fault => fault is not null) ?? Neighbours(Flat(sequence)),
        _ => null,
    };

    /// <summary>Whether there is one way only in which something fits a text: repeated, it is found or not at once.</summary>
    private static bool IsOneWay(RegexShape shape) => shape switch
    {
        Character or Place => true,
        Sequence sequence => sequence.Items.All(IsOneWay),
        Repetition { GoesBack: false } => true,
        Repetition again => again.Least == again.Most && IsOneWay(again.Body),
        Alternatives either => either.Items.All(static item => IsOneWay(item) && First(item) is not null)
            && either.Items.Select(First).Distinct().Count() == either.Items.Count,
        _ => false,
    };

    /// <summary>The literal character that something begins with; null: none that is known.</summary>
    private static string? First(RegexShape shape) => shape switch
    {
        Character { Text: [var letter] } when char.IsLetterOrDigit(letter) => letter.ToString(),
        Sequence { Items: [var first, ..] } => First(first),
        Repetition { Least: > 0 } again => First(again.Body),
        _ => null,
    };

    /// <summary>
    /// Two repetitions without end of the same characters, side by side, before something that may not fit: n² ways through n characters.
    /// </summary>
    private static string? Neighbours(List<RegexShape> items)
    {
        for (var i = 0; i < items.Count; i++)
        {
            if (items[i] is not Repetition { Most: int.MaxValue, GoesBack: true, Body: Character first }) continue;
            for (var j = i + 1; j < items.Count; j++)
            {
                if (items[j] is Repetition { Most: int.MaxValue, GoesBack: true, Body: Character second }
                    && items.Skip(j + 1).Any(MayFail) && Share(first.Text, second.Text))
                    return $"its regex has {first.Text}* and {second.Text}* side by side before more that may not fit, and can take time "
                        + "without bound; write it without";
                if (MayFail(items[j])) break;
            }
        }

        return null;
    }

    private static bool MayFail(RegexShape shape) => shape is not Repetition { Least: 0 };

    private static List<RegexShape> Flat(Sequence sequence) =>
        [.. sequence.Items.SelectMany(static item => item is Sequence inner ? Flat(inner) : [item])];

    /// <summary>Whether some character fits both; taken for granted of classes that .NET does not know.</summary>
    private static bool Share(string one, string other)
    {
        try
        {
            var both = new Regex($"(?={one}){other}", RegexOptions.CultureInvariant | RegexOptions.Singleline, TimeSpan.FromSeconds(1));
            for (var letter = '\0'; letter < '\uD800'; letter++)
            {
                if (both.IsMatch([letter])) return true;
            }

            return false;
        }
        catch (Exception error) when (error is ArgumentException or RegexMatchTimeoutException)
        {
            return true;
        }
    }
}
