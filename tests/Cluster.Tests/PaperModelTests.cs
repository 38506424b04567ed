using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// The paper's models by their real configurations, with random weights, cut to few layers: each is made, trains a Hybrid step, is merged,
/// and the plan of the whole is printed. In seconds with narrower matrices and all else as it is; <c>PEFT_LONG=1</c> takes them as they are
/// (405B: 30 GB of disk, 20 GB of memory; minutes each).
/// </summary>
public class PaperModelTests
{
    [Theory]
    [InlineData("Llama-3.1-8B-Instruct", 2)]
    [InlineData("Llama-3.3-70B-Instruct", 2)]
    [InlineData("Llama-3.1-405B-Instruct", 1)]
    [InlineData("Wizard-Vicuna-30B", 2)]
    [InlineData("BLOOMZ-7B1", 2)]
    public async Task It_is_made_trains_is_merged_and_planned(string name, int layers)
    {
        var folder = SharedFolder.Require(Path.Combine("models", "configs", name));
        var real = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "config.json")))!.AsObject();
        var family = (string)real["model_type"]!;
        Assert.SkipUnless(ModelFamilies.All.Any(known => known.Family == family), $"family {family} is not in this version");
        using var workspace = new Workspace();
        var config = Path.Combine(folder, "config.json");
        if (Environment.GetEnvironmentVariable("PEFT_LONG") != "1") config = workspace.Write("config.json", Narrow(real).ToJsonString());

        // The shape of the whole, without weights.
        var whole = Path.GetDirectoryName(config)!;
        var runFile = RunFile(workspace);
        var plan = (await PeftClient.Run(
            "start-run", "-f", runFile, "--set", $"model.path={whole}", "--dry-run", "--local", "2", "-o", "json")).Succeeded();
        Assert.Contains("has no weights", plan.Errors, StringComparison.Ordinal);
        var planned = JsonNode.Parse(plan.Output)!;
        var blocks = (int)(real["num_hidden_layers"] ?? real["n_layer"])!;
        Assert.Equal(blocks + 2, planned["silos"]!.AsArray().Sum(static silo => silo!["layers"]!.AsArray().Count));

        var model = Path.Combine(workspace.Folder, "model");
        var made = (await PeftClient.Run("make-model", "--config", config, "--layers", $"{layers}", "--to", model)).Succeeded();
        Assert.Contains($"with {layers} layers", made.Output, StringComparison.Ordinal);
        Assert.Contains("next: peft-client start-run", made.Errors, StringComparison.Ordinal);
        var run = (await PeftClient.Run(
            "start-run", "-f", runFile, "--set", $"model.path={model}", "--run-id", "r", "--local", "1", "-o", "json")).Succeeded();
        Assert.Equal("completed", run.Json.GetProperty("status").GetString());
        Assert.True(double.IsFinite(run.Json.GetProperty("finalLoss").GetDouble()));

        var merged = Path.Combine(workspace.Folder, "merged");
        (await PeftClient.Run("export", Path.Combine(workspace.Folder, "runs", "r"), "--as", "merged", "--to", merged)).Succeeded();
        var (before, after) = (WeightFiles.Open(model), WeightFiles.Open(merged));
        after.CheckAll();
        Assert.Equal(before.Names.Order(StringComparer.Ordinal), after.Names.Order(StringComparer.Ordinal));
    }

    /// <summary>A sixty-fourth of the width and a small vocabulary; heads, layers and all else as they are.</summary>
    private static JsonObject Narrow(JsonObject real)
    {
        var config = real.DeepClone().AsObject();
        var heads = (int)real["num_attention_heads"]!;
        var hidden = real.ContainsKey("n_embed") ? "n_embed" : "hidden_size";
        config[hidden] = heads * 8;
        if (real["intermediate_size"] is { } wide) config["intermediate_size"] = Math.Max(64, (int)wide / 64 / 32 * 32);
        config["vocab_size"] = 512;
        return config;
    }

    private static string RunFile(Workspace workspace)
    {
        int[] ids = [.. Enumerable.Range(0, 24).Select(static i => 3 + (i * 37 % 400))];
        var line = JsonSerializer.Serialize(new { input_ids = ids, labels = ids });
        workspace.Write("train.jsonl", $"{line}\n{line}\n");
        return workspace.Write("run.yaml", """
            name: paper
            model: { path: model }
            data: { train: { path: train.jsonl, format: tokens }, max_length: 32 }
            method:
              name: hybrid
              lora: { rank: 4, alpha: 8 }
              boft: { block_size: 8, butterfly_factors: 1 }
              lora_ga: { gradient_samples: 1, gradient_estimate: sketch }
            training: { steps: 1, global_batch: 1 }
            """);
    }
}
