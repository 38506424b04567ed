using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A comparison of all methods on the embedded model, as a user runs it; the second time nothing is trained.</summary>
public class CompareTests
{
    private static readonly string[] Labels = ["full", "lora", "boft", "lora_ga", "urnn", "hybrid"];

    [Fact]
    public async Task All_methods_and_their_controls_are_compared_once()
    {
        using var workspace = new Workspace();
        var data = workspace.Write(
            "train.jsonl",
            string.Join('\n', File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(60)) + "\n"
        );
        var file = workspace.Write(
            "compare.yaml",
            $$"""
            base:
              name: small
              seed: 3
              model: { path: {{EmbeddedModel.Folder}} }
              data: { train: { path: {{data}}, format: completion }, validation: { fraction: 0.1 }, max_length: 160 }
              method: { target_modules: [q_proj, v_proj], lora: { rank: 4, alpha: 8 }, lora_ga: { gradient_samples: 4 }, boft: { block_size: 8, butterfly_factors: 3 } }
              training: { steps: 3, global_batch: 4, microbatch: 2, optimizer: { learning_rate: 1.0e-3 } }
              compute: { threads_per_silo: 2 }
              output: runs
            methods: [{{string.Join(", ", Labels)}}]
            """);
        var to = Path.Combine(workspace.Folder, "tables");
        var first = (await PeftClient.Run("compare", "-f", file, "--to", to, "-o", "json")).Succeeded();
        var methods = JsonNode.Parse(first.Json.GetRawText())!["methods"]!.AsArray();
        Assert.Equal(Labels, methods.Where(static row => row!["controlOf"] is null).Select(static row => (string)row!["label"]!));
        Assert.Equal(
            ["boft", "lora_ga", "urnn", "hybrid"],
            methods.Where(static row => row!["controlOf"] is not null).Select(static row => (string)row!["controlOf"]!)
        );

        // Before the first update every method computes what the base does, except that full has no frozen part to compare with: the first
        // losses are one.
        var losses = methods
            .Select(row => FirstLoss(Path.Combine(workspace.Folder, "runs", (string)row!["seeds"]![0]!["runId"]!)))
            .ToArray();
        Assert.All(losses, loss => Assert.Equal(losses[0], loss, 1e-4));
        foreach (var row in methods.Select(static row => row!.AsObject()))
        {
            Assert.InRange((double)row["validationLoss"]!["mean"]!, 0.001, 10);
            Assert.InRange((double)row["peakMemoryBytes"]!["mean"]!, 1 << 26, 1L << 34);
            Assert.True((double)row["secondsPerEpoch"]!["mean"]! > (double)row["secondsPerStep"]!["mean"]!);
            // 60 samples, a tenth of them for validation, in batches of 4.
            Assert.Equal(14, (int)row["stepsPerEpoch"]!);
            if (row["controlOf"] is null) continue;
            var perRank = 4 * 2 * (128 + 128);
            Assert.InRange(Math.Abs((long)row["trainableParameters"]! - (long)row["trainableParametersToMatch"]!), 0, perRank / 2);
        }

        // The counts are those of the adapters that were written.
        var lora = methods.First(static row => (string)row!["label"]! == "lora")!;
        var adapter = Data.SafeTensors.SafeTensorsHeader.Read(
            Path.Combine(workspace.Folder, "runs", (string)lora["seeds"]![0]!["runId"]!, "adapter", "adapter_model.safetensors")
        );
        Assert.Equal((long)lora["trainableParameters"]! * sizeof(float), adapter.Entries.Values.Sum(static entry => entry.Bytes));

        string[] files =
        [
            "cost.png",
            "gradient-norm.png",
            "lambda.png",
            "table.csv",
            "table.json",
            "table.md",
            "training-loss.png",
            "validation-loss.png",
        ];
        Assert.Equal(files, Directory.EnumerateFiles(to).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        var metrics = Directory
            .EnumerateFiles(Path.Combine(workspace.Folder, "runs"), "metrics.jsonl", SearchOption.AllDirectories)
            .ToDictionary(static path => path, File.GetLastWriteTimeUtc);
        // The control of lora_ga is the run of lora.
        Assert.Equal(methods.Count - 1, metrics.Count);
        var second = (await PeftClient.Run("compare", "-f", file, "--to", to, "-o", "json")).Succeeded();
        Assert.Equal(first.Json.GetRawText(), second.Json.GetRawText());
        Assert.Equal(first.Json.GetRawText(), JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(to, "table.json")))!.ToJsonString());
        Assert.DoesNotContain("silo with", second.Errors, StringComparison.Ordinal);
        Assert.All(metrics, static file => Assert.Equal(file.Value, File.GetLastWriteTimeUtc(file.Key)));
    }

    private static double FirstLoss(string runFolder) =>
        (double)JsonNode.Parse(File.ReadLines(Path.Combine(runFolder, "metrics.jsonl")).First())!["loss"]!;
}
