using System.Globalization;

namespace Peft.Orleans.Chaos;

/// <summary>Progress on stderr, and in the event log of the run.</summary>
internal static class Narration
{
    private static readonly long Began = TimeProvider.System.GetTimestamp();

    internal static string Say(string text)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetElapsedTime(Began).TotalSeconds,8:0.00} {text}");
        Console.Error.WriteLine(line);
        return line;
    }
}
