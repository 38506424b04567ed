using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// BLOOM through the command line: every method, packed, on one and two silos with equal bytes; its exports; text and scores of references.
/// </summary>
public sealed class BloomTests(StandingClusters clusters, BloomTests.Model model) : IClassFixture<BloomTests.Model>
{
    private const string Options = "lora: { rank: 4, alpha: 8 }", Samples = "lora_ga: { gradient_samples: 4 }";

    [Theory]
    [InlineData("full", "{ name: full }")]
    [InlineData("lora, bounded", "{ name: lora, lora: { rank: 4, dropout: 0.1, rslora: true, max_delta_ratio: 0.01 } }")]
    [InlineData("lora, DoRA", "{ name: lora, target_modules: [query_key_value, dense], lora: { rank: 4, alpha: 8, dora: true } }")]
    [InlineData("lora_ga", "{ name: lora_ga, " + Options + ", " + Samples + " }")]
    [InlineData("boft, input side", "{ name: boft, boft: { block_size: 4, butterfly_factors: 2 } }")]
    [InlineData("boft, output side", "{ name: boft, boft: { block_size: 4, butterfly_factors: 2, side: output } }")]
    [InlineData("urnn", "{ name: urnn, target_modules: [query_key_value, dense_4h_to_h] }")]
    [InlineData("hybrid", "{ name: hybrid, " + Options + ", boft: { block_size: 4, butterfly_factors: 2 }, " + Samples + " }")]
    public async Task Methods_have_the_same_bytes_on_one_and_two_silos(string name, string method)
    {
        using var workspace = new Workspace();
        var file = RunFile(workspace, model.Folder, method);
        var runs = await Task.WhenAll(new[] { 1, 2 }.Select(silos => Train(workspace, file, silos)));
        Assert.True(runs[0].Hash == runs[1].Hash, $"{name}: the adapters differ between one and two silos");
        Assert.Equal(EmbeddedModel.Comparable(runs[0].Folder), EmbeddedModel.Comparable(runs[1].Folder));
    }

    [Fact]
    public async Task What_is_merged_is_a_BLOOM_that_scores_and_writes_as_the_adapter_does()
    {
        using var workspace = new Workspace();
        var run = (await Train(workspace, RunFile(workspace, model.Folder, "{ name: lora, " + Options + " }"), 1)).Folder;
        var adapter = Path.Combine(run, "adapter");
        Assert.Equal(
            ["dense", "dense_4h_to_h", "dense_h_to_4h", "query_key_value"],
            JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(adapter, "adapter_config.json")))!["target_modules"]!.AsArray()
                .Select(static module => module!.GetValue<string>()).Order(StringComparer.Ordinal));
        var (merged, lora) = (Path.Combine(workspace.Folder, "merged"), Path.Combine(workspace.Folder, "lora"));
        (await PeftClient.Run("export", run, "--as", "merged", "--to", merged)).Succeeded();
        (await PeftClient.Run("export", run, "--as", "lora", "--rank", "4", "--to", lora)).Succeeded();
        Assert.Equal(Tensors(model.Folder), Tensors(merged));
        var config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(merged, "config.json")))!;
        Assert.Equal(("bloom", 6), (config["model_type"]!.GetValue<string>(), config["n_head"]!.GetValue<int>()));

        var plain = await Score(workspace, "--model", model.Folder);
        var adapted = await Score(workspace, "--model", model.Folder, "--adapter", adapter);
        Assert.Contains(plain.Zip(adapted), static pair => Math.Abs(pair.First - pair.Second) > 0.05);
        var whole = await Score(workspace, "--model", merged);
        var again = await Score(workspace, "--model", model.Folder, "--adapter", lora);
        for (var i = 0; i < adapted.Length; i++)
        {
            Assert.Equal(adapted[i], whole[i], 1e-3);
            Assert.Equal(adapted[i], again[i], 1e-3);
        }

        Assert.Equal(
            await Generate("5,6,7,8,9", "--model", model.Folder, "--adapter", adapter),
            await Generate("5,6,7,8,9", "--model", merged));
    }

    [Theory]
    [InlineData("bloom-8-heads")]
    [InlineData("bloom-6-heads")]
    [InlineData("bloom-residual")]
    public async Task Losses_and_texts_are_those_of_transformers(string name)
    {
        using var workspace = new Workspace();
        var folder = SharedFolder.Require("goldens/" + name);
        var reference = GoldenRun.Tensors(Path.Combine(folder, "reference.safetensors"));
        workspace.Write("rows.jsonl", Rows(reference["input_ids"].Shape, reference["input_ids"].Values, reference["labels"].Values));
        var gradientNorm = Math.Sqrt(reference.Where(static pair => pair.Key.StartsWith("grad.", StringComparison.Ordinal))
            .Sum(static pair => pair.Value.Values.Sum(static value => (double)value * value)));
        var rows = reference["input_ids"].Shape[0];
        var file = RunFile(workspace, folder, "{ name: full }", "rows.jsonl", rows, microbatch: 1, packing: false);
        var hashes = new List<string>();
        foreach (var silos in (int[])[1, 2])
        {
            var run = await Train(workspace, file, silos);
            var step = JsonNode.Parse(File.ReadLines(Path.Combine(run.Folder, "metrics.jsonl")).First())!;
            Assert.Equal(reference["loss"].Values[0], step["loss"]!.GetValue<double>(), 5e-6);
            Assert.Equal(gradientNorm, step["gradientNorm"]!.GetValue<double>(), 1e-5 * gradientNorm);
            hashes.Add(run.Hash);
        }

        Assert.Single(hashes.Distinct());
        var greedy = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "greedy.json")))!;
        var prompt = string.Join(',', greedy["prompt"]!.AsArray());
        Assert.Equal(string.Join(',', greedy["greedy"]!.AsArray()), await Generate(prompt, "--model", folder));
    }

    private static string RunFile(
        Workspace workspace,
        string folder,
        string method,
        string? data = null,
        long rows = 4,
        int microbatch = 2,
        bool packing = true)
    {
        data ??= workspace.Write("train.jsonl", Rows([24, 10], [.. Enumerable.Range(0, 240).Select(static i => (float)((i * 37) % 97))]));
        return workspace.Write("run.yaml", string.Create(CultureInfo.InvariantCulture, $$"""
            name: bloom
            seed: 3
            model: { path: {{folder}} }
            data: { train: { path: {{data}}, format: tokens }, max_length: 40, shuffle: false, packing: {{(packing ? "true" : "false")}} }
            method: {{method}}
            training:
              steps: 2
              global_batch: {{rows}}
              microbatch: {{microbatch}}
              optimizer: { name: adamw, learning_rate: 1.0e-2 }
              max_grad_norm: null
            snapshots: { every: 0 }
            compute: { threads_per_silo: 1, replicas: 1 }
            output: runs
            """));
    }

    private static string Rows(long[] shape, float[] ids, float[]? labels = null) => string.Concat(Enumerable.Range(0, (int)shape[0])
        .Select(row => new Range(row * (int)shape[1], (row + 1) * (int)shape[1]))
        .Select(range => string.Create(
            CultureInfo.InvariantCulture,
            $"{{\"input_ids\": [{string.Join(',', ids[range])}], \"labels\": [{string.Join(',', (labels ?? ids)[range])}]}}\n")));

    private static IEnumerable<string> Tensors(string folder) => Directory.EnumerateFiles(folder, "*.safetensors")
        .SelectMany(static file => SafeTensorsHeader.Read(file).Entries.Values)
        .Select(static entry => $"{entry.Name} [{string.Join(", ", entry.Shape)}]")
        .Order(StringComparer.Ordinal);

    private async Task<(string Folder, string Hash)> Train(Workspace workspace, string file, int silos)
    {
        var id = $"{Path.GetFileName(workspace.Folder)}-on-{silos}";
        var outcome = await clusters.StartRun(file, id, silos);
        Assert.Equal(silos, outcome.Json.GetProperty("silos").GetInt32());
        return (Path.Combine(workspace.Folder, "runs", id), outcome.AdapterSha256);
    }

    private async Task<double[]> Score(Workspace workspace, params string[] of)
    {
        var input = workspace.Write("score.jsonl", Rows([3, 12], [.. Enumerable.Range(0, 36).Select(static i => (float)((i * 17) % 97))]));
        var output = Path.Combine(workspace.Folder, "scores.jsonl");
        string[] files = ["--input", input, "--output", output, "--cluster", await clusters.Address(2)];
        (await PeftClient.Run(["score", .. of, .. files])).Succeeded();
        return [.. File.ReadLines(output).Select(static line => JsonNode.Parse(line)!["logLikelihood"]!.GetValue<double>())];
    }

    private async Task<string> Generate(string prompt, params string[] of)
    {
        string[] how = ["--prompt-ids", prompt, "--max-new-tokens", "20", "--greedy", "--ignore-eos", "-o", "json"];
        var outcome = (await PeftClient.Run(["generate", .. of, .. how, "--cluster", await clusters.Address(2)])).Succeeded();
        return string.Join(',', outcome.Json.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32()));
    }

    /// <summary>A BLOOM of six heads with random weights, of every one of which something is learned.</summary>
    public sealed class Model : IDisposable
    {
        private readonly Workspace workspace = new();

        /// <summary>Writes it.</summary>
        public Model()
        {
            var config = workspace.Write("model/config.json", """
                {"architectures": ["BloomForCausalLM"], "model_type": "bloom", "vocab_size": 97, "hidden_size": 48, "n_layer": 3, "n_head": 6}
                """);
            Folder = Path.GetDirectoryName(config)!;
            var random = new Random(5);
            SafeTensorsWriter.Write(Path.Combine(Folder, "model.safetensors"), [.. Shapes().Select(tensor => Random(tensor, random))]);
        }

        internal string Folder { get; }

        /// <inheritdoc/>
        public void Dispose() => workspace.Dispose();

        private static SafeTensorsTensor Random((string Name, long[] Shape) tensor, Random random)
        {
            var values = new float[tensor.Shape.Aggregate(1L, static (a, b) => a * b)];
            var centre = tensor.Name.Contains("ln_f.weight") || tensor.Name.Contains("layernorm.weight") ? 1 : 0;
            for (var i = 0; i < values.Length; i++) values[i] = centre + (0.4f * (random.NextSingle() - 0.5f));
            return new SafeTensorsTensor(tensor.Name, SafeTensorsType.F32, tensor.Shape, stream =>
                stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan())));
        }

        private static IEnumerable<(string Name, long[] Shape)> Shapes()
        {
            List<(string, long[])> all = [("word_embeddings.weight", [97, 48])];
            all.AddRange([.. Both("word_embeddings_layernorm", 48), .. Both("ln_f", 48)]);
            for (var layer = 0; layer < 3; layer++)
            {
                var block = $"h.{layer}.";
                all.AddRange([.. Both(block + "input_layernorm", 48), .. Both(block + "post_attention_layernorm", 48)]);
                all.AddRange([.. Both(block + "self_attention.query_key_value", 144, 48), .. Both(block + "self_attention.dense", 48, 48)]);
                all.AddRange([.. Both(block + "mlp.dense_h_to_4h", 192, 48), .. Both(block + "mlp.dense_4h_to_h", 48, 192)]);
            }

            return all.Select(static tensor => ("transformer." + tensor.Item1, tensor.Item2));

            static IEnumerable<(string, long[])> Both(string name, params long[] shape) =>
                [($"{name}.weight", shape), ($"{name}.bias", [shape[0]])];
        }
    }
}
