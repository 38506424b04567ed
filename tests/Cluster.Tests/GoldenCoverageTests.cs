using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Which training references run through the command line, and where.</summary>
public class GoldenCoverageTests
{
    private static readonly string[] Run =
    [
        // GoldenTrainingTests
        "full", "hybrid-raw", "hybrid-unmixed", "peft-lora-all", "peft-lora-bloom", "peft-lora-qv-clip", "peft-lora-qwen3",
        "peft-rslora",
        // GoldenMethodTests
        "loraga", "peft-boft-m1", "peft-boft-m2", "peft-boft-m3", "peft-dora",
        // UrnnTrainingTests
        "urnn-structured",
    ];

    [Fact]
    public void No_training_reference_is_left_out()
    {
        var references = Directory
            .EnumerateDirectories(SharedFolder.Require("goldens"))
            .Where(static folder => File.Exists(Path.Combine(folder, "training.json")))
            .Select(static folder => Path.GetFileName(folder));
        Assert.Equal(Run.Order(StringComparer.Ordinal), references.Order(StringComparer.Ordinal));
    }
}
