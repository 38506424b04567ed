using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A real checkpoint through the command line.</summary>
public class RealModelTests
{
    [Fact]
    public async Task Stories260K_continues_as_its_reference_on_two_silos()
    {
        var model = SharedFolder.Require("models/stories260K");
        var reference = await File.ReadAllTextAsync(Path.Combine(model, "stories260K.md"));
        var outcome = (
            await PeftClient.Run(
                "generate",
                "--model",
                model,
                "--prompt",
                Prompt,
                "--max-new-tokens",
                "200",
                "--greedy",
                "--local",
                "2",
                "-o",
                "json"
            )
        ).Succeeded();
        var text = outcome.Json.GetProperty("text").GetString()!;
        Assert.Contains(Flat(Prompt + text)[..200], Flat(reference), StringComparison.Ordinal);
    }

    private const string Prompt = "Once upon a time";

    private static string Flat(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
