using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// Adapters as PEFT saves them, of modules with ranks, α and layers of their own, through the command line: what they compute before, how
/// they train on, on one silo and two, and what is exported of them; against values of PEFT.
/// </summary>
public sealed class PeftAdapterTests(StandingClusters clusters)
{
    private const string WeightsFile = "adapter_model.safetensors", ConfigFile = "adapter_config.json";

    [Theory]
    [InlineData("peft-lora-bloom", "query_key_value, dense, dense_h_to_4h, dense_4h_to_h", 2e-2)]
    [InlineData("peft-lora-qwen3", "all-linear", 2e-3)]
    public async Task What_is_trained_on_is_exported_as_adapter_and_merged(string name, string modules, double limit)
    {
        using var golden = new GoldenRun(name);
        var initial = Path.Combine(golden.Folder, "initial");
        Close(Likelihoods(golden, "logits_initial"), await Score(golden, "--adapter", initial), 1e-3);
        var run = await Train(golden, $"{{ name: lora, target_modules: [{modules}], lora: {{ rank: 4, alpha: 8 }}", initial);

        string Exported(string form) => Path.Combine(golden.Workspace.Folder, form);
        foreach (var form in (string[])["adapter", "merged"])
            (await PeftClient.Run("export", run, "--as", form, "--to", Exported(form))).Succeeded();
        Assert.Equal(
            await File.ReadAllBytesAsync(Path.Combine(run, "adapter", WeightsFile)),
            await File.ReadAllBytesAsync(Path.Combine(Exported("adapter"), WeightsFile)));
        Assert.Equal(
            GoldenRun.Tensors(Path.Combine(golden.Folder, "final", WeightsFile)).Keys.Order(StringComparer.Ordinal),
            GoldenRun.Tensors(Path.Combine(Exported("adapter"), WeightsFile)).Keys.Order(StringComparer.Ordinal));
        var adapted = await Score(golden, "--adapter", Exported("adapter"));
        Assert.Equal(await Score(golden, "--adapter", Path.Combine(run, "adapter")), adapted);
        Close(Likelihoods(golden, "logits_final"), adapted, limit);
        Close(adapted, await Score(golden, model: Exported("merged")), 1e-3);
    }

    /// <summary>
    /// Ranks that differ from module to module, of an adapter that computes what the reference's does: what it has more of is zero, and so
    /// are all its gradients. The run goes PEFT's way to the end.
    /// </summary>
    [Fact]
    public async Task Ranks_and_alphas_of_single_modules_train_on_as_PEFT_trains_them()
    {
        using var golden = new GoldenRun("peft-lora-qwen3");
        var wider = Adapter(
            golden,
            """
            {"r": 3, "lora_alpha": 100, "target_modules": ".*\\.layers\\.\\d+\\.(self_attn\\.[qkvo]|mlp\\.(gate|up|down))_proj",
             "rank_pattern": {"layers.1.self_attn.q_proj": 6, "(gate|up)_proj": 5, ".*": 4},
             "alpha_pattern": {"layers.1.self_attn.q_proj": 12, "(gate|up)_proj": 10, ".*": 8}}
            """,
            static module => module.Contains("layers.1.self_attn.q_proj", StringComparison.Ordinal) ? 6
                : module.Contains("gate", StringComparison.Ordinal) || module.Contains("up_proj", StringComparison.Ordinal) ? 5
                : 4);
        Close(Likelihoods(golden, "logits_initial"), await Score(golden, "--adapter", wider), 1e-3);
        const string Wider = "{ name: lora, target_modules: all-linear, lora: { rank: 3, alpha: 100 }";
        var run = await Train(golden, Wider, wider, normLimit: 1e-5);

        var trained = GoldenRun.Tensors(Path.Combine(run, "adapter", WeightsFile));
        var initial = GoldenRun.Tensors(Path.Combine(golden.Folder, "initial", WeightsFile));
        foreach (var (name, (shape, final)) in GoldenRun.Tensors(Path.Combine(golden.Folder, "final", WeightsFile)))
        {
            var (ours, rest) = Cut(trained[name], shape, name.EndsWith("lora_A.weight", StringComparison.Ordinal));
            Assert.All(rest, static value => Assert.Equal(0f, value));
            Assert.InRange(GoldenRun.RelativeToChange([(ours, final, initial[name].Values)]), 0, 1e-3);
        }

        Assert.Equal(6, trained["base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"].Shape[0]);
        Close(Likelihoods(golden, "logits_final"), await Score(golden, "--adapter", Path.Combine(run, "adapter")), 2e-3);
        // What was trained starts another run: it has the patterns, as PEFT writes them.
        var config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(run, "adapter", ConfigFile)))!;
        Assert.Equal(3, config["r"]!.GetValue<int>());
        Assert.All((string[])["rank_pattern", "alpha_pattern"], key => Assert.Equal(3, config[key]!.AsObject().Count));
        await Train(golden, Wider, Path.Combine(run, "adapter"), check: false);
    }

    /// <summary>
    /// An adapter of some layers: B is zero, so that it computes what the whole one does before the first step, and its modules have the
    /// same gradients there.
    /// </summary>
    [Fact]
    public async Task An_adapter_of_some_layers_trains_on_in_these()
    {
        using var golden = new GoldenRun("peft-lora-all");
        var some = Adapter(
            golden,
            """{"layers_to_transform": [0, 2], "layers_pattern": "layers", "target_modules": ["q_proj", "down_proj", "v_proj"]}""",
            static module => !module.Contains(".layers.1.", StringComparison.Ordinal)
                && module.Split('.')[^1] is "q_proj" or "down_proj" or "v_proj" ? 4 : 0);
        Close(Likelihoods(golden, "logits_initial"), await Score(golden, "--adapter", some), 1e-3);
        var tensors = GoldenRun.Tensors(Path.Combine(some, WeightsFile)).Keys.Order(StringComparer.Ordinal).ToArray();
        Assert.Equal(2 * 3 * 2, tensors.Length);
        var run = await Train(
            golden,
            "{ name: lora, target_modules: [q_proj, v_proj, down_proj], lora: { rank: 4, alpha: 8 }",
            some,
            check: false);
        var first = JsonNode.Parse(File.ReadLines(Path.Combine(run, "metrics.jsonl")).First())!;
        Assert.Equal(golden.Losses[0], first["loss"]!.GetValue<double>(), 5e-6);
        var norm = Math.Sqrt(tensors.Sum(name => golden.Reference["grad." + name].Values.Sum(static value => (double)value * value)));
        Assert.InRange(first["gradientNorm"]!.GetValue<double>() / norm, 1 - 1e-4, 1 + 1e-4);
        Assert.Equal(tensors, GoldenRun.Tensors(Path.Combine(run, "adapter", WeightsFile)).Keys.Order(StringComparer.Ordinal));
    }

    /// <summary>Blocks by their number are those of the size it makes; where modules' widths differ it is refused.</summary>
    [Fact]
    public async Task A_number_of_blocks_computes_and_trains_as_their_size()
    {
        using var golden = new GoldenRun("peft-boft-m2");
        const string Method =
            "{ name: boft, target_modules: [q_proj, v_proj], boft: { block_size: 4, butterfly_factors: 2 }";
        const string Number = "\"boft_block_num\": 16, \"boft_block_size\": 0";
        static int Narrow(string module) => module.EndsWith("down_proj", StringComparison.Ordinal) ? 0 : 1;
        var scores = new List<double[]>();
        var trained = new List<byte[]>();
        foreach (var keys in (string[])["\"boft_block_size\": 4", Number])
        {
            var adapter = Adapter(golden, $$"""{ {{keys}}, "target_modules": ["q_proj", "v_proj"] }""", Narrow);
            scores.Add(await Score(golden, "--adapter", adapter));
            trained.Add(EmbeddedModel.Adapter(await Train(golden, Method, adapter, check: false)));
        }

        Assert.Equal(scores[0], scores[1]);
        Assert.Equal(trained[0], trained[1]);
        Assert.NotEqual(await Score(golden), scores[0]);
        var wide = Adapter(golden, $$"""{ {{Number}} }""", static _ => 1);
        var refused = await PeftClient.Run(
            "score", "--model", Path.Combine(golden.Folder, "base"), "--adapter", wide, "--input", "none", "--output", "-");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("boft_block_num is 16; that makes blocks of different sizes", refused.Errors, StringComparison.Ordinal);
    }

    /// <summary>Trains on one silo and two, whose adapters are the same bytes; the run's folder.</summary>
    private async Task<string> Train(GoldenRun golden, string method, string initial, double? normLimit = null, bool check = true)
    {
        var file = golden.RunFile(
            $"{method}, initial_adapter: {initial} }}", "{ name: adamw, learning_rate: 5.0e-3 }", "{ name: constant }", "null");
        var hashes = new List<string>();
        var folder = "";
        foreach (var silos in (int[])[1, 2])
        {
            var id = $"{Path.GetFileName(golden.Workspace.Folder)}-{Path.GetFileName(initial)}-{silos}";
            var outcome = (await clusters.StartRun(file, id, silos)).Json;
            Assert.Equal(silos, outcome.GetProperty("silos").GetInt32());
            hashes.Add(outcome.GetProperty("adapterSha256").GetString()!);
            folder = Path.GetDirectoryName(outcome.GetProperty("adapterPath").GetString()!)!;
            if (!check) continue;
            var lines = File.ReadAllLines(Path.Combine(folder, "metrics.jsonl"));
            GoldenTrainingTests.CheckSteps(
                golden, [.. lines.Select(static line => System.Text.Json.JsonDocument.Parse(line).RootElement)], null, normLimit);
        }

        Assert.Equal(hashes[0], hashes[1]);
        return folder;
    }

    /// <summary>Log-likelihoods of the first step's rows, through the command line.</summary>
    private async Task<double[]> Score(GoldenRun golden, string? option = null, string? value = null, string? model = null)
    {
        var microbatches = golden.Microbatches;
        var rows = golden.Workspace.Write(
            "rows.jsonl", string.Concat(File.ReadLines(Path.Combine(golden.Workspace.Folder, "train.jsonl")).Take(microbatches)
                .Select(static line => line + "\n")));
        string[] more = option is null ? [] : [option, value!];
        var outcome = await PeftClient.Run(
            ["score", "--model", model ?? Path.Combine(golden.Folder, "base"), "--input", rows, "--output", "-",
                "--cluster", await clusters.Address(2), .. more]);
        return
        [
            .. outcome.Succeeded().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(static line => JsonNode.Parse(line)!["logLikelihood"]!.GetValue<double>()),
        ];
    }

    /// <summary>The same from the reference's logits <c>[microbatches, length, vocabulary]</c>.</summary>
    private static double[] Likelihoods(GoldenRun golden, string name)
    {
        var (shape, logits) = golden.Reference[name];
        var (length, width) = ((int)shape[1], (int)shape[2]);
        var labels = golden.Reference["labels"].Values;
        return [.. Enumerable.Range(0, (int)shape[0]).Select(row => Enumerable.Range(0, length - 1).Sum(position =>
        {
            var label = (int)labels[(row * length) + position + 1];
            if (label < 0) return 0;
            var scores = logits.AsSpan(((row * length) + position) * width, width);
            double largest = 0, sum = 0;
            foreach (var score in scores) largest = Math.Max(largest, score);
            foreach (var score in scores) sum += Math.Exp(score - largest);
            return scores[label] - largest - Math.Log(sum);
        }))];
    }

    /// <summary>
    /// The reference's first adapter with other keys, its modules in other ranks (of LoRA), filled up with zeros; 0: without the module.
    /// </summary>
    private static string Adapter(GoldenRun golden, string keys, Func<string, int> rankOf)
    {
        var source = Path.Combine(golden.Folder, "initial");
        var folder = Path.Combine(golden.Workspace.Folder, $"adapter-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, ConfigFile)))!.AsObject();
        foreach (var (key, value) in JsonNode.Parse(keys)!.AsObject()) config[key] = value?.DeepClone();
        File.WriteAllText(Path.Combine(folder, ConfigFile), config.ToJsonString());
        var tensors = new List<SafeTensorsTensor>();
        foreach (var (name, (shape, values)) in GoldenRun.Tensors(Path.Combine(source, WeightsFile)))
        {
            var module = name[..name.IndexOf('.', name.IndexOf("_proj", StringComparison.Ordinal))];
            if (rankOf(module) is not (> 0 and var rank)) continue;
            if (!name.Contains(".lora_", StringComparison.Ordinal))
            {
                tensors.Add(new SafeTensorsTensor(name, SafeTensorsType.F32, shape, stream =>
                    stream.Write(MemoryMarshal.AsBytes(values.AsSpan()))));
                continue;
            }

            var down = name.EndsWith("lora_A.weight", StringComparison.Ordinal);
            var (rows, columns) = down ? (rank, (int)shape[1]) : ((int)shape[0], rank);
            var padded = new float[rows * columns];
            for (var i = 0; i < values.Length; i++) padded[(i / (int)shape[1] * columns) + (i % (int)shape[1])] = values[i];
            tensors.Add(new SafeTensorsTensor(name, SafeTensorsType.F32, [rows, columns], stream =>
                stream.Write(MemoryMarshal.AsBytes(padded.AsSpan()))));
        }

        SafeTensorsWriter.Write(Path.Combine(folder, WeightsFile), tensors);
        return folder;
    }

    /// <summary>A tensor's first rows (of B, columns), as many as the reference's has, and the others.</summary>
    private static (float[] Ours, float[] More) Cut((long[] Shape, float[] Values) tensor, long[] shape, bool rows)
    {
        var (width, kept) = ((int)tensor.Shape[1], (int)shape[rows ? 0 : 1]);
        var parts = tensor.Values.Index()
            .ToLookup(item => (rows ? item.Index / width : item.Index % width) < kept, static item => item.Item);
        return ([.. parts[true]], [.. parts[false]]);
    }

    private static void Close(double[] expected, double[] actual, double limit)
    {
        Assert.Equal(expected.Length, actual.Length);
        foreach (var (one, other) in expected.Zip(actual))
            Assert.True(Math.Abs(one - other) <= limit, string.Create(CultureInfo.InvariantCulture, $"{one} and {other}"));
    }
}
