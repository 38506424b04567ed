using System.Reflection;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>
/// What Core shows to others is in a file, so that a change of it is seen when it is made. After a change that is meant:
/// <c>PEFT_WRITE_API=1 dotnet test tests/Architecture.Tests --filter PublicApi</c>.
/// </summary>
public sealed class PublicApiTests
{
    private static readonly string PathOfFile =
        Path.Combine(Peft.Orleans.Tests.SharedFolder.RepositoryRoot, "tests", "Architecture.Tests", "Core.api.txt");

    [Fact]
    public void Of_Core_is_as_its_file_says()
    {
        string[] found =
        [
            .. Product.Written("Core").Where(static type => type.IsVisible).SelectMany(Lines).Distinct().Order(StringComparer.Ordinal),
        ];
        if (Environment.GetEnvironmentVariable("PEFT_WRITE_API") == "1")
            File.WriteAllLines(PathOfFile, found);
        var written = File.ReadAllLines(PathOfFile);
        Assert.True(
            found.SequenceEqual(written),
            $"gone: {string.Join("; ", written.Except(found))}\nnew: {string.Join("; ", found.Except(written))}\nmeant? set "
                + "PEFT_WRITE_API=1 once"
        );
    }

    private static IEnumerable<string> Lines(Type type)
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        yield return type.FullName!;
        foreach (var member in type.GetMembers(Declared))
        {
            // What the compiler writes for records and properties follows from what is listed.
            if (member is Type or MethodInfo { IsSpecialName: true } || member.Name.Contains('<', StringComparison.Ordinal)) continue;
            yield return $"{type.FullName}: {member}";
        }
    }
}
