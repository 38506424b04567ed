using System.Globalization;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>The real model through the command line on two silos, against values computed with transformers and PEFT.</summary>
public class SmolLm2Tests(StandingClusters clusters)
{
    /// <summary>Items scored of each GLUE task: the whole set takes minutes and is run where PEFT_LONG is 1.</summary>
    private static readonly int GlueItems = Environment.GetEnvironmentVariable("PEFT_LONG") == "1" ? int.MaxValue : 6;

    [Fact]
    public async Task Losses_of_chat_formatted_gsm8k()
    {
        var references = Read("goldens/smollm2/losses.json").EnumerateArray().ToArray();
        using var workspace = new Workspace();
        var input = workspace.Write("input.jsonl", string.Concat(references.Select(static item =>
            JsonSerializer.Serialize(new { input_ids = item.GetProperty("ids"), labels = item.GetProperty("labels") }) + "\n")));
        var scores = await Score(workspace, input);
        for (var i = 0; i < references.Length; i++)
        {
            Assert.Equal(references[i].GetProperty("targets").GetInt32(), scores[i].GetProperty("tokens").GetInt32());
            // Sums over some hundred tokens whose logits agree to about 1e-3 (the references' page).
            Assert.Equal(references[i].GetProperty("loss_sum").GetDouble(), -scores[i].GetProperty("logLikelihood").GetDouble(), 0.02);
        }
    }

    [Fact]
    public async Task Glue_log_likelihoods()
    {
        var tasks = Read("goldens/smollm2/glue-log-likelihood.json");
        var lines = new List<string>();
        var expected = new List<double>();
        foreach (var task in tasks.EnumerateObject())
        {
            foreach (var item in task.Value.GetProperty("items").EnumerateArray().Take(GlueItems))
            {
                var likelihoods = item.GetProperty("log_likelihoods").EnumerateArray().Select(static value => value.GetDouble());
                foreach (var (choice, likelihood) in item.GetProperty("choices").EnumerateArray().Zip(likelihoods))
                {
                    lines.Add(
                        JsonSerializer.Serialize(
                            new { context = item.GetProperty("context").GetString(), continuation = choice.GetString() }
                        )
                    );
                    expected.Add(likelihood);
                }
            }
        }

        using var workspace = new Workspace();
        var scores = await Score(workspace, workspace.Write("input.jsonl", string.Join('\n', lines) + "\n"));
        for (var i = 0; i < expected.Count; i++) Assert.Equal(expected[i], scores[i].GetProperty("logLikelihood").GetDouble(), 5e-3);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Greedy_text(int index)
    {
        var reference = Read("goldens/smollm2/greedy.json")[index];
        string[] model = ["--model", await SmolLm2.Folder(), "--dtype", "float32", "--cluster", await clusters.Address(2)];
        string[] how = ["--chat", reference.GetProperty("prompt").GetString()!, "--max-new-tokens", "48", "--greedy", "-o", "json"];
        var outcome = (await PeftClient.Run(["generate", .. model, .. how])).Succeeded();
        var ours = outcome.Json.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32()).ToArray();
        var theirs = reference.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32()).ToArray();
        // Where the two best logits are closer than 0.01, either may win.
        var certain = reference.GetProperty("margins").EnumerateArray().TakeWhile(static margin => margin.GetDouble() >= 0.01).Count();
        Assert.Equal(theirs[..Math.Min(certain, theirs.Length)], ours[..Math.Min(certain, ours.Length)]);
    }

    [Fact]
    public async Task Five_lora_steps_from_pefts_initial_adapter()
    {
        var training = Read("goldens/smollm2/lora-training.json");
        var initial = SharedFolder.Require("goldens/smollm2/lora-initial");
        var final = SharedFolder.Require("goldens/smollm2/lora-final");
        var steps = training.GetProperty("steps").EnumerateArray().Select(static step => step.EnumerateArray().ToArray()).ToArray();
        using var workspace = new Workspace();
        workspace.Write("train.jsonl", string.Concat(steps.SelectMany(static step => step).Select(static item =>
            JsonSerializer.Serialize(new { input_ids = item.GetProperty("ids"), labels = item.GetProperty("labels") }) + "\n")));
        var model = await SmolLm2.Folder();
        var config = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(initial, "adapter_config.json"))).RootElement;
        var file = workspace.Write(
            "run.yaml",
            string.Create(
                CultureInfo.InvariantCulture,
                $$"""
                name: smollm2
                model: { path: {{model}}, dtype: float32 }
                data: { train: { path: train.jsonl, format: tokens }, shuffle: false }
                method:
                  name: lora
                  target_modules: [{{string.Join(
                    ", ",
                    config.GetProperty("target_modules").EnumerateArray().Select(static module => module.GetString())
                )}}]
                  lora: { rank: {{config.GetProperty("r").GetInt32()}}, alpha: {{config.GetProperty("lora_alpha").GetDouble()}} }
                  initial_adapter: {{initial}}
                training:
                  steps: {{steps.Length}}
                  global_batch: {{steps[0].Length}}
                  optimizer: { name: adamw, learning_rate: {{training.GetProperty("learning_rate").GetDouble():R}} }
                  schedule: { name: constant }
                  max_grad_norm: null
                snapshots: { every: 0 }
                compute: { threads_per_silo: 1, replicas: 1 }
                output: runs
                """
            )
        );
        var outcome = await clusters.StartRun(file, "five", 2);
        var losses = training.GetProperty("losses").EnumerateArray().Select(static value => value.GetDouble()).ToArray();
        var lines = await File.ReadAllLinesAsync(Path.Combine(workspace.Folder, "runs", "five", "metrics.jsonl"));
        // Logits of this model differ by up to about 1e-3 between implementations; the mean loss by far less.
        for (var step = 0; step < losses.Length; step++)
            Assert.Equal(losses[step], JsonDocument.Parse(lines[step]).RootElement.GetProperty("loss").GetDouble(), 1e-4);

        var ours = GoldenRun.Tensors(Path.Combine(outcome.Json.GetProperty("adapterPath").GetString()!, "adapter_model.safetensors"));
        var theirs = GoldenRun.Tensors(Path.Combine(final, "adapter_model.safetensors"));
        var start = GoldenRun.Tensors(Path.Combine(initial, "adapter_model.safetensors"));
        Assert.Equal(theirs.Keys.Order(), ours.Keys.Order());
        // Adam turns the sign of almost-zero gradients into whole steps; over the adapter they stay a small part of the way.
        Assert.InRange(
            GoldenRun.RelativeToChange(theirs.Keys.Select(key => (ours[key].Values, theirs[key].Values, start[key].Values))),
            0,
            0.02
        );
    }

    private static JsonElement Read(string relative) => JsonDocument.Parse(File.ReadAllText(SharedFolder.Require(relative))).RootElement;

    private async Task<JsonElement[]> Score(Workspace workspace, string input)
    {
        var output = Path.Combine(workspace.Folder, "output.jsonl");
        string[] model = ["--model", await SmolLm2.Folder(), "--dtype", "float32", "--cluster", await clusters.Address(2)];
        (await PeftClient.Run(["score", .. model, "--input", input, "--output", output])).Succeeded();
        return [.. File.ReadAllLines(output).Select(static line => JsonDocument.Parse(line).RootElement)];
    }
}
