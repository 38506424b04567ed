using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>The training references of DoRA, BOFT and LoRA-GA through the command line, over one and two silos.</summary>
public class GoldenMethodTests(StandingClusters clusters)
{
    [Fact]
    public async Task Dora()
    {
        using var golden = new GoldenRun("peft-dora");
        await Train(
            golden,
            "{ name: lora, target_modules: all-linear, lora: { rank: 4, alpha: 8, dora: true }",
            Path.Combine(golden.Folder, "initial"),
            5e-3,
            1e-5,
            folder => CheckFinal(golden, folder, static (_, values, _) => values, 1e-3)
        );
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Boft(int factors)
    {
        using var golden = new GoldenRun($"peft-boft-m{factors}");
        // Our norm is that of θ, PEFT's that of an unconstrained R: not compared here.
        await Train(
            golden,
            $"{{ name: boft, target_modules: [q_proj, v_proj, down_proj], boft: {{ block_size: 4, butterfly_factors: {factors} }}",
            Path.Combine(golden.Folder, "initial"),
            5e-3,
            null,
            folder =>
                CheckFinal(
                    golden,
                    folder,
                    static (name, values, shape) =>
                        name.EndsWith("boft_R", StringComparison.Ordinal) ? SkewPart(values, (int)shape[^1]) : values,
                    1e-3
                )
        );
    }

    [Fact]
    public async Task Lora_ga_and_its_export_as_plain_lora()
    {
        using var golden = new GoldenRun("loraga", "training.safetensors");
        var start = GoldenRun
            .Tensors(Path.Combine(golden.Folder, "initialisation.safetensors"))
            .Where(static pair => pair.Key.Contains(".stable.", StringComparison.Ordinal))
            .ToDictionary(static pair => pair.Key.Replace(".stable.", ".", StringComparison.Ordinal), static pair => pair.Value);
        var adapter = Path.Combine(golden.Workspace.Folder, "initial");
        Directory.CreateDirectory(adapter);
        SafeTensorsWriter.Write(
            Path.Combine(adapter, "adapter_model.safetensors"),
            [
                .. start.Select(static pair => new SafeTensorsTensor(
                    $"base_model.model.{pair.Key}.weight",
                    SafeTensorsType.F32,
                    pair.Value.Shape,
                    stream => stream.Write(MemoryMarshal.AsBytes(pair.Value.Values.AsSpan()))
                )),
            ]
        );
        await File.WriteAllTextAsync(Path.Combine(adapter, "adapter_config.json"), """{ "peft_type": "LORA_GA" }""");
        await Train(
            golden,
            "{ name: lora_ga, target_modules: [q_proj, v_proj, down_proj], lora: { rank: 4, alpha: 8 }",
            adapter,
            2e-3,
            1e-5,
            folder =>
            {
                var ours = GoldenRun.Tensors(Path.Combine(folder, "adapter_model.safetensors"));
                Assert.InRange(
                    GoldenRun.RelativeToChange(
                        start.Select(pair =>
                            (ours[$"base_model.model.{pair.Key}.weight"].Values, golden.Reference[pair.Key].Values, pair.Value.Values)
                        )
                    ),
                    0,
                    1e-3
                );
            },
            async folder =>
            {
                var plain = Path.Combine(golden.Workspace.Folder, "plain");
                var said = (
                    await PeftClient.Run("export", folder, "--base", Path.Combine(golden.Folder, "base"), "--as", "lora", "--to", plain)
                )
                    .Succeeded()
                    .Output;
                Assert.Contains("max_lora_rank ≥ 8 (vLLM: --max-lora-rank 8)", said, StringComparison.Ordinal);
                var config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(plain, "adapter_config.json")))!;
                Assert.Equal("LORA", config["peft_type"]!.GetValue<string>());
                Assert.Equal(8, config["r"]!.GetValue<int>());
                Assert.Equal(16, config["lora_alpha"]!.GetValue<int>());
                var (trained, exported) = (
                    GoldenRun.Tensors(Path.Combine(folder, "adapter_model.safetensors")),
                    GoldenRun.Tensors(Path.Combine(plain, "adapter_model.safetensors"))
                );
                Assert.Equal(start.Count, exported.Count);
                foreach (
                    var (name, (_, values)) in exported.Where(static pair => pair.Key.EndsWith("lora_A.weight", StringComparison.Ordinal))
                )
                    Assert.Equal(
                        [.. trained[name].Values, .. trained[name.Replace(".weight", "0.weight", StringComparison.Ordinal)].Values],
                        values
                    );
            }
        );
    }

    /// <summary>Trains over one silo and two, checks each step and the adapter, and that both adapters are equal.</summary>
    private async Task Train(
        GoldenRun golden,
        string method,
        string initial,
        double rate,
        double? normLimit,
        Action<string> check,
        Func<string, Task>? last = null
    )
    {
        var runFile = golden.RunFile(
            $"{method}, initial_adapter: {initial} }}",
            $"{{ name: adamw, learning_rate: {rate:R} }}",
            "{ name: constant }",
            "null"
        );
        var hashes = new List<string>();
        var folder = "";
        foreach (var silos in (int[])[1, 2])
        {
            var (summary, metrics) = await golden.Train(clusters, runFile, silos);
            GoldenTrainingTests.CheckSteps(golden, metrics, null, normLimit);
            hashes.Add(summary.GetProperty("adapterSha256").GetString()!);
            folder = summary.GetProperty("adapterPath").GetString()!;
            check(folder);
        }

        Assert.Equal(hashes[0], hashes[1]);
        if (last is not null) await last(folder);
    }

    /// <summary>
    /// The trained adapter beside PEFT's: the same names and shapes, and values within a part of the way that training went.
    /// </summary>
    private static void CheckFinal(GoldenRun golden, string folder, Func<string, float[], long[], float[]> effective, double limit)
    {
        var ours = GoldenRun.Tensors(Path.Combine(folder, "adapter_model.safetensors"));
        var final = GoldenRun.Tensors(Path.Combine(golden.Folder, "final", "adapter_model.safetensors"));
        var initial = GoldenRun.Tensors(Path.Combine(golden.Folder, "initial", "adapter_model.safetensors"));
        Assert.Equal(final.Keys.Order(), ours.Keys.Order());
        foreach (var (name, (shape, _)) in final)
            Assert.Equal(shape, ours[name].Shape);
        Assert.InRange(
            GoldenRun.RelativeToChange(
                final.Select(pair =>
                    (
                        ours[pair.Key].Values,
                        effective(pair.Key, pair.Value.Values, pair.Value.Shape),
                        effective(pair.Key, initial[pair.Key].Values, pair.Value.Shape)
                    )
                )
            ),
            0,
            limit
        );
    }

    /// <summary>½(R − Rᵀ) of each b × b block.</summary>
    private static float[] SkewPart(float[] values, int b)
    {
        var result = new float[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var (block, row, column) = (i / (b * b) * (b * b), i / b % b, i % b);
            result[i] = (values[i] - values[block + (column * b) + row]) / 2;
        }

        return result;
    }
}
