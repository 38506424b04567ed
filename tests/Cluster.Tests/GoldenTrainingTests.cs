using System.Text.Json;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// Training references through the command line, over one and two silos: losses, norms, λ and final parameters within the limits that the
/// references' own page gives, and equal bytes on one and two silos.
/// </summary>
public class GoldenTrainingTests(StandingClusters clusters)
{
    [Theory]
    [InlineData("peft-lora-all", "all-linear", 5e-3, "constant", 0, "null", 1e-4, 1e-3)]
    [InlineData("peft-lora-bloom", "all-linear", 5e-3, "constant", 0, "null", 1e-4, 1e-3)]
    [InlineData("peft-lora-qwen3", "all-linear", 5e-3, "constant", 0, "null", 1e-5, 1e-3)]
    [InlineData("peft-rslora", "all-linear", 5e-3, "constant", 0, "null", 1e-5, 1e-3)]
    [InlineData("peft-lora-qv-clip", "q_proj, v_proj", 5e-3, "cosine", 0, "1.0", 1e-5, 1e-3)]
    public async Task Lora(
        string name,
        string targets,
        double rate,
        string schedule,
        int warmup,
        string clip,
        double normLimit,
        double finalLimit
    )
    {
        using var golden = new GoldenRun(name);
        var config = JsonDocument
            .Parse(await File.ReadAllTextAsync(Path.Combine(golden.Folder, "initial", "adapter_config.json")))
            .RootElement;
        var modules = config.GetProperty("target_modules") is { ValueKind: JsonValueKind.String }
            ? targets
            : string.Join(", ", config.GetProperty("target_modules").EnumerateArray().Select(static m => m.GetString()));
        var clipping = golden.Training.GetProperty("clip") is { ValueKind: JsonValueKind.Number } limit ? limit.GetRawText() : "null";
        Assert.Equal(clip == "null", clipping == "null");
        var rates = golden.Training.GetProperty("learning_rates").EnumerateArray().Select(static value => value.GetDouble()).ToArray();
        var (baseRate, scheduleText) = ScheduleOf(rates, rate, schedule, warmup);
        var runFile = golden.RunFile(
            $"{{ name: lora, target_modules: [{modules}], lora: {{ rank: {config.GetProperty("r")}, alpha: "
                + $"{config.GetProperty("lora_alpha")}, rslora: {config.GetProperty("use_rslora").GetRawText()} }}, initial_adapter: "
                    + $"{Path.Combine(golden.Folder, "initial")} }}",
            $"{{ name: adamw, learning_rate: {baseRate:R}, weight_decay: {golden.Training.GetProperty("weight_decay")} }}",
            scheduleText,
            clipping
        );
        var hashes = new List<string>();
        foreach (var silos in (int[])[1, 2])
        {
            var (summary, metrics) = await golden.Train(clusters, runFile, silos);
            CheckSteps(golden, metrics, rates, normLimit);
            hashes.Add(summary.GetProperty("adapterSha256").GetString()!);
            var ours = GoldenRun.Tensors(Path.Combine(summary.GetProperty("adapterPath").GetString()!, "adapter_model.safetensors"));
            var final = GoldenRun.Tensors(Path.Combine(golden.Folder, "final", "adapter_model.safetensors"));
            var initial = GoldenRun.Tensors(Path.Combine(golden.Folder, "initial", "adapter_model.safetensors"));
            Assert.Equal(final.Keys.Order(), ours.Keys.Order());
            foreach (var (tensor, (shape, _)) in final)
                Assert.Equal(shape, ours[tensor].Shape);
            Assert.InRange(
                GoldenRun.RelativeToChange(final.Keys.Select(key => (ours[key].Values, final[key].Values, initial[key].Values))),
                0,
                finalLimit
            );
        }

        Assert.Equal(hashes[0], hashes[1]);
    }

    [Fact]
    public async Task Full_fine_tuning_of_a_tied_model()
    {
        using var golden = new GoldenRun("full");
        var rate = golden.Training.GetProperty("learning_rate").GetDouble();
        var runFile = golden.RunFile(
            "{ name: full }",
            $"{{ name: adamw, learning_rate: {rate:R}, weight_decay: {golden.Training.GetProperty("weight_decay")} }}",
            "{ name: constant }",
            golden.Training.GetProperty("clip").GetRawText()
        );
        var hashes = new List<string>();
        foreach (var silos in (int[])[1, 2])
        {
            var (summary, metrics) = await golden.Train(clusters, runFile, silos);
            CheckSteps(golden, metrics, [.. Enumerable.Repeat(rate, golden.Steps)], 1e-5);
            hashes.Add(summary.GetProperty("adapterSha256").GetString()!);
            var model = summary.GetProperty("adapterPath").GetString()!;
            var ours = Directory.EnumerateFiles(model, "*.safetensors").SelectMany(GoldenRun.Tensors).ToDictionary();
            var initial = GoldenRun.Tensors(Path.Combine(golden.Folder, "base", "model.safetensors"));
            foreach (
                var (key, (_, values)) in golden.Reference.Where(static pair => pair.Key.StartsWith("final.", StringComparison.Ordinal))
            )
            {
                var tensor = key["final.".Length..];
                Assert.InRange(GoldenRun.RelativeToChange([(ours[tensor].Values, values, initial[tensor].Values)]), 0, 1e-3);
            }
        }

        Assert.Equal(hashes[0], hashes[1]);
    }

    [Theory]
    [InlineData("hybrid-unmixed", "unmixed")]
    [InlineData("hybrid-raw", "raw")]
    public async Task Hybrid(string name, string norms)
    {
        using var golden = new GoldenRun(name);
        var adapter = WriteInitialAdapter(golden);
        var runFile = golden.RunFile(
            $"{{ name: hybrid, target_modules: [q_proj, v_proj, down_proj], lora: {{ rank: 4, alpha: 8 }}, boft: {{ block_size: 4, "
                + $"butterfly_factors: 3 }}, lambda: {{ norms: {norms}, initial: 0.5 }}, initial_adapter: {adapter} }}",
            "{ name: adamw, learning_rate: 2.0e-3, boft_learning_rate: 5.0e-3 }",
            "{ name: constant }",
            "null"
        );
        var lambdas = golden
            .Training.GetProperty("lambda_by_step_and_layer")
            .EnumerateArray()
            .Select(static row => row.EnumerateArray().Select(static value => value.GetDouble()).ToArray())
            .ToArray();
        var hashes = new List<string>();
        foreach (var silos in (int[])[1, 2])
        {
            var (summary, metrics) = await golden.Train(clusters, runFile, silos);
            CheckSteps(golden, metrics, null, null);
            for (var step = 0; step < metrics.Length; step++)
            {
                var ours = metrics[step].GetProperty("lambda").EnumerateArray().Select(static value => value.GetDouble()).ToArray();
                for (var layer = 0; layer < ours.Length; layer++) Assert.Equal(lambdas[step][layer], ours[layer], 1e-5);
            }

            hashes.Add(summary.GetProperty("adapterSha256").GetString()!);
            var adapterTensors = GoldenRun.Tensors(
                Path.Combine(summary.GetProperty("adapterPath").GetString()!, "adapter_model.safetensors")
            );
            foreach (
                var (key, (_, final)) in golden.Reference.Where(static pair => pair.Key.Contains(".final.", StringComparison.Ordinal))
            )
            {
                var ours = adapterTensors[OurName(key.Replace(".final.", ".", StringComparison.Ordinal))].Values;
                var initial = golden.Reference.TryGetValue(key.Replace(".final.", ".initial.", StringComparison.Ordinal), out var start)
                    ? start.Values
                    : new float[final.Length];
                Assert.InRange(GoldenRun.RelativeToChange([(ours, final, initial)]), 0, 1e-3);
            }
        }

        Assert.Equal(hashes[0], hashes[1]);
    }

    private static string OurName(string reference) =>
        "base_model.model." + (reference.EndsWith("boft_theta", StringComparison.Ordinal) ? reference : reference + ".weight");

    /// <summary>A, B and the frozen A0, B0 (equal to them) as an adapter of ours; rotations start at zero.</summary>
    private static string WriteInitialAdapter(GoldenRun golden)
    {
        var folder = Path.Combine(golden.Workspace.Folder, "initial");
        Directory.CreateDirectory(folder);
        var tensors = new List<SafeTensorsTensor>();
        foreach (
            var (key, (shape, values)) in golden.Reference.Where(static pair => pair.Key.Contains(".initial.", StringComparison.Ordinal))
        )
        {
            var name = "base_model.model." + key.Replace(".initial.", ".", StringComparison.Ordinal);
            foreach (var suffix in (string[])[".weight", "0.weight"])
                tensors.Add(
                    new SafeTensorsTensor(name + suffix, SafeTensorsType.F32, shape, stream =>
                        stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()))
                    )
                );
        }

        SafeTensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), """
            { "peft_type": "HYBRID", "base_model_name_or_path": "base", "target_modules": ["q_proj", "v_proj", "down_proj"],
              "method": { "name": "hybrid", "target_modules": ["q_proj", "v_proj", "down_proj"], "lora": { "rank": 4, "alpha": 8 }, "boft": { "block_size": 4, "butterfly_factors": 3 } } }
            """);
        return folder;
    }

    /// <summary>Losses within 5e-6 before the first update and 1e-5 after, gradient norms relative, learning rates as listed.</summary>
    internal static void CheckSteps(GoldenRun golden, JsonElement[] metrics, double[]? rates, double? normLimit)
    {
        Assert.Equal(golden.Steps, metrics.Length);
        var norms = golden.Training.TryGetProperty("gradient_norms", out var listed)
            ? listed.EnumerateArray().Select(static value => value.GetDouble()).ToArray()
            : null;
        for (var step = 0; step < metrics.Length; step++)
        {
            Assert.Equal(step + 1, metrics[step].GetProperty("step").GetInt32());
            Assert.Equal(golden.Losses[step], metrics[step].GetProperty("loss").GetDouble(), step == 0 ? 5e-6 : 1e-5);
            if (rates is not null) Assert.Equal(rates[step], metrics[step].GetProperty("learningRate").GetDouble(), 1e-12);
            if (norms is not null && normLimit is { } limit)
                Assert.InRange(Math.Abs((metrics[step].GetProperty("gradientNorm").GetDouble() / norms[step]) - 1), 0, limit);
        }
    }

    /// <summary>The schedule that yields the listed rates: warm-up is where they rise.</summary>
    private static (double Rate, string Schedule) ScheduleOf(double[] rates, double rate, string schedule, int warmup)
    {
        if (schedule == "constant") return (rate, "{ name: constant }");
        for (warmup = 0; warmup <= rates.Length; warmup++)
        {
            var matches = true;
            for (var s = 1; s <= rates.Length; s++)
            {
                var expected =
                    rate * (warmup > 0 ? Math.Min(1.0, (double)s / warmup) : 1) * 0.5 * (1 + Math.Cos(Math.PI * (s - 1) / rates.Length));
                matches &= Math.Abs(expected - rates[s - 1]) < 1e-12;
            }

            if (matches) return (rate, $"{{ name: cosine, warmup_steps: {warmup} }}");
        }

        throw new InvalidDataException($"no cosine schedule with warm-up yields {string.Join(", ", rates)}");
    }
}
