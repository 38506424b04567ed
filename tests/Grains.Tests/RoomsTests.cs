using System.Text.RegularExpressions;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Grains.Tests;

/// <summary>What docs/architecture.md says of the rooms of Grains.</summary>
public partial class RoomsTests
{
    private static readonly string[] Order =
        ["Figures", "Storage", "DataPlane", "RunFiles", "Membership", "Agents", "Shards", "Inference", "Terms", "Runs"];

    [Fact]
    public void A_room_uses_only_rooms_above_it()
    {
        var folder = Path.Combine(SharedFolder.RepositoryRoot, "src", "Grains");
        var files = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).ToArray();
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            var text = File.ReadAllText(file);
            var room = Room().Match(text).Groups[1].Value;
            Assert.Contains(room, Order);
            Assert.Equal(room, Path.GetFileName(Path.GetDirectoryName(file)));
            foreach (Match used in Used().Matches(text))
            {
                Assert.True(
                    Array.IndexOf(Order, used.Groups[1].Value) < Array.IndexOf(Order, room),
                    $"{Path.GetFileName(file)}: {room} uses {used.Groups[1].Value}, which is not above it in docs/architecture.md");
            }
        }
    }

    [Fact]
    public void Nothing_is_public_but_what_the_generated_code_needs() =>
        Assert.DoesNotContain(
            typeof(SiloAgent).Assembly.GetExportedTypes(),
            static type => type.Namespace!.StartsWith("Peft.Orleans.Grains", StringComparison.Ordinal));

    [GeneratedRegex(@"^namespace Peft\.Orleans\.Grains\.(\w+);", RegexOptions.Multiline)]
    private static partial Regex Room();

    [GeneratedRegex(@"^using Peft\.Orleans\.Grains\.(\w+);", RegexOptions.Multiline)]
    private static partial Regex Used();
}
