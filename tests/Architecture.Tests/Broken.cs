namespace Peft.Orleans.Architecture.Tests;

/// <summary>Where a rule is broken, all places at once.</summary>
internal static class Broken
{
    internal static void None(IEnumerable<string> places)
    {
        string[] all = [.. places.Distinct().Order(StringComparer.Ordinal)];
        Assert.True(all.Length == 0, string.Join('\n', all.Prepend($"{all.Length} places:")));
    }
}
