using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// Families and kinds of RoPE through the command line, against values computed with transformers, on one and two silos with equal bytes.
/// </summary>
public sealed class FamilyTests(StandingClusters clusters)
{
    [Theory]
    [InlineData("mistral-sliding")]
    [InlineData("mistral-full")]
    [InlineData("qwen2-tied")]
    [InlineData("qwen3-head-dim")]
    [InlineData("llama-rope-yarn")]
    [InlineData("llama-rope-dynamic")]
    public async Task Scores_text_and_a_step(string name)
    {
        using var golden = new FamilyGolden(name);
        // Both spellings of the configuration, each on one silo and two: the same lines.
        var scores = await Task.WhenAll(
            new[] { 1, 2 }.SelectMany(silos => new[] { golden.Newer, golden.Older }, (silos, model) => Score(golden, model, silos)));
        Assert.Single(scores.Distinct());
        var lines = scores[0].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonNode.Parse(line)!).ToArray();
        var targets = lines.Sum(static line => line["tokens"]!.GetValue<int>());
        Assert.Equal(golden.Loss, -lines.Sum(static line => line["logLikelihood"]!.GetValue<double>()) / targets, 5e-6);

        var texts = await Task.WhenAll(new[] { 1, 2 }.Select(silos => Generate(golden, golden.Older, silos)));
        foreach (var ids in texts) Assert.Equal(golden.Greedy, ids);

        var steps = await Task.WhenAll(new[] { 1, 2 }.Select(silos => Step(golden, silos)));
        Assert.Single(steps.Select(static step => step.Hash).Distinct());
        foreach (var (line, _, model) in steps)
        {
            Assert.Equal(golden.Loss, line.GetProperty("loss").GetDouble(), 5e-6);
            Assert.InRange(Math.Abs((line.GetProperty("gradientNorm").GetDouble() / golden.GradientNorm) - 1), 0, 1e-5);
            // Saved as the family's own: its names, its configuration.
            Assert.Equal(Names(golden.Newer), Names(model));
            Assert.Equal(Configuration(golden.Newer), Configuration(model));
        }
    }

    [Theory]
    [InlineData("mistral-sliding")]
    [InlineData("qwen2-tied")]
    [InlineData("qwen3-head-dim")]
    public async Task An_adapter_is_merged_into_a_model_of_the_family(string name)
    {
        using var golden = new FamilyGolden(name);
        var run = await Train(golden, "{ name: lora, lora: { rank: 4, alpha: 8 } }", 1, steps: 3);
        var folder = run.GetProperty("adapterPath").GetString()!;
        var merged = Path.Combine(golden.Workspace.Folder, "merged");
        (await PeftClient.Run("export", Path.GetDirectoryName(folder)!, "--as", "merged", "--to", merged)).Succeeded();
        Assert.Equal(Names(golden.Newer), Names(merged));
        Assert.Equal(Configuration(golden.Newer), Configuration(merged));
        var adapted = Sums(await Score(golden, golden.Newer, 1, "--adapter", folder));
        var exported = Sums(await Score(golden, merged, 1));
        var plain = Sums(await Score(golden, golden.Newer, 1));
        foreach (var (ours, theirs) in adapted.Zip(exported)) Assert.Equal(ours, theirs, 1e-3);
        Assert.Contains(adapted.Zip(plain), static pair => Math.Abs(pair.First - pair.Second) > 0.05);
    }

    [Fact]
    public async Task Dynamic_RoPE_generates_up_to_the_trained_length_and_no_further()
    {
        using var golden = new FamilyGolden("llama-rope-dynamic");
        var prompt = string.Join(',', Enumerable.Repeat(5, 60));
        var cluster = await clusters.Address(1);
        string[] Arguments(int tokens) =>
        [
            "generate", "--model", golden.Newer, "--prompt-ids", prompt, "--greedy", "--ignore-eos", "--cluster", cluster,
            "--max-new-tokens", tokens.ToString(CultureInfo.InvariantCulture), "-o", "json",
        ];
        (await PeftClient.Run(Arguments(4))).Succeeded();
        var refused = await PeftClient.Run(Arguments(5));
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("RoPE dynamic", refused.Errors, StringComparison.Ordinal);
        Assert.Contains("--max-new-tokens 4 ", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_Llamas_folder_of_float16_weights_and_SentencePiece_trains()
    {
        using var workspace = new Workspace();
        var model = HalfStories(workspace);
        workspace.Write("train.jsonl", string.Concat(Enumerable.Repeat("{\"text\": \"Once upon a time there was a little dog.\"}\n", 4)));
        var file = workspace.Write("run.yaml", $$"""
            name: half
            model: { path: {{model}} }
            data: { train: { path: train.jsonl, format: text } }
            method: { name: lora, lora: { rank: 4, alpha: 8 } }
            training: { steps: 6, global_batch: 2, optimizer: { learning_rate: 1.0e-2 } }
            snapshots: { every: 0 }
            """);
        var hashes = new List<string>();
        foreach (var silos in (int[])[1, 2])
        {
            var id = $"{Path.GetFileName(workspace.Folder)}-{silos}";
            var outcome = await clusters.StartRun(file, id, silos);
            hashes.Add(outcome.AdapterSha256);
            var losses = File.ReadLines(Path.Combine(workspace.Folder, "runs", id, "metrics.jsonl"))
                .Select(static line => JsonNode.Parse(line)!["loss"]!.GetValue<double>()).ToArray();
            Assert.True(losses[^1] < losses[0] - 0.1, $"{losses[0]} became {losses[^1]}");
        }

        Assert.Single(hashes.Distinct());
        // The same text as the float32 model with its tokenizer.json writes, as far as halves of its weights decide it.
        var said = (await PeftClient.Run(
            "generate", "--model", model, "--prompt", "Once upon a time", "--greedy", "--max-new-tokens", "8",
            "--cluster", await clusters.Address(1), "-o", "json")).Succeeded();
        var whole = (await PeftClient.Run(
            "generate", "--model", SharedFolder.Require("models/stories260K"), "--prompt", "Once upon a time", "--greedy",
            "--max-new-tokens", "8", "--cluster", await clusters.Address(1), "-o", "json")).Succeeded();
        Assert.Equal(whole.Json.GetProperty("ids").GetRawText(), said.Json.GetProperty("ids").GetRawText());
    }

    private async Task<string> Score(FamilyGolden golden, string model, int silos, params string[] more)
    {
        var outcome = await PeftClient.Run(
            ["score", "--model", model, "--input", golden.Rows, "--output", "-", "--cluster", await clusters.Address(silos), .. more]);
        return outcome.Succeeded().Output;
    }

    private async Task<int[]> Generate(FamilyGolden golden, string model, int silos)
    {
        var outcome = (await PeftClient.Run(
            "generate", "--model", model, "--prompt-ids", string.Join(',', golden.Prompt), "--max-new-tokens", "20", "--greedy",
            "--ignore-eos", "--cluster", await clusters.Address(silos), "-o", "json")).Succeeded();
        return [.. outcome.Json.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32())];
    }

    private async Task<(JsonElement Line, string Hash, string Model)> Step(FamilyGolden golden, int silos)
    {
        var run = await Train(golden, "{ name: full }", silos, steps: 1);
        var model = run.GetProperty("adapterPath").GetString()!;
        var line = File.ReadLines(Path.Combine(Path.GetDirectoryName(model)!, "metrics.jsonl")).Single();
        return (JsonDocument.Parse(line).RootElement, run.GetProperty("adapterSha256").GetString()!, model);
    }

    private async Task<JsonElement> Train(FamilyGolden golden, string method, int silos, int steps)
    {
        var file = golden.Workspace.Write($"run-{silos}.yaml", $$"""
            name: family
            model: { path: {{golden.Newer}} }
            data: { train: { path: rows.jsonl, format: tokens }, shuffle: false }
            method: {{method}}
            training: { steps: {{steps}}, global_batch: {{golden.RowCount}}, optimizer: { learning_rate: 1.0e-2 }, max_grad_norm: null }
            snapshots: { every: 0 }
            """);
        var id = $"{Path.GetFileName(golden.Workspace.Folder)}-{silos}";
        return (await clusters.StartRun(file, id, silos)).Json;
    }

    private static double[] Sums(string lines) =>
    [
        .. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonNode.Parse(line)!["logLikelihood"]!.GetValue<double>()),
    ];

    private static string[] Names(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, "*.safetensors")
            .SelectMany(static path => SafeTensorsHeader.Read(path).Entries.Keys).Order(StringComparer.Ordinal),
    ];

    /// <summary>config.json but for the type of the weights, which has two spellings.</summary>
    private static string Configuration(string folder)
    {
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
        foreach (var key in (string[])["dtype", "torch_dtype"]) config.Remove(key);
        return config.ToJsonString();
    }

    private static string HalfStories(Workspace workspace)
    {
        var source = SharedFolder.Require("models/stories260K");
        var folder = Path.Combine(workspace.Folder, "llama");
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(source, "tokenizer.model"), Path.Combine(folder, "tokenizer.model"));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        config["architectures"] = new JsonArray("LLaMAForCausalLM");
        config["torch_dtype"] = "float16";
        config["pad_token_id"] = -1;
        foreach (var key in (string[])["rope_theta", "rope_scaling", "head_dim", "attention_bias", "mlp_bias"]) config.Remove(key);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        var tensors = GoldenRun.Tensors(Path.Combine(source, "model.safetensors"));
        SafeTensorsWriter.Write(
            Path.Combine(folder, "model.safetensors"),
            [
                .. tensors.Select(static pair => new SafeTensorsTensor(pair.Key, SafeTensorsType.F16, pair.Value.Shape, stream =>
                {
                    foreach (var value in pair.Value.Values) stream.Write(BitConverter.GetBytes((Half)value));
                })),
            ]);
        return folder;
    }
}
