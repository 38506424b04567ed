using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A training reference as a run file: batches as token lines, hyper-parameters, initial adapter.</summary>
internal sealed class GoldenRun : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly Dictionary<string, (long[] Shape, float[] Values)> reference;

    internal GoldenRun(string name, string file = "reference.safetensors")
    {
        Folder = SharedFolder.Require("goldens/" + name);
        reference = Tensors(Path.Combine(Folder, file));
        Training = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "training.json"))).RootElement;
        WriteTokens();
    }

    internal string Folder { get; }

    internal JsonElement Training { get; }

    internal Workspace Workspace => workspace;

    internal int Steps { get; private set; }

    internal int Microbatches { get; private set; }

    internal IReadOnlyDictionary<string, (long[] Shape, float[] Values)> Reference => reference;

    internal double[] Losses => [.. Training.GetProperty("losses").EnumerateArray().Select(static value => value.GetDouble())];

    /// <summary>The run file with the method's section and optimizer values.</summary>
    internal string RunFile(string method, string optimizer, string schedule, string clip) => workspace.Write("run.yaml", $$"""
        name: golden
        seed: 1
        model: { path: {{Path.Combine(Folder, "base")}} }
        data:
          train: { path: train.jsonl, format: tokens }
          shuffle: false
        method: {{method}}
        training:
          steps: {{Steps}}
          global_batch: {{Microbatches}}
          microbatch: 1
          optimizer: {{optimizer}}
          schedule: {{schedule}}
          max_grad_norm: {{clip}}
        snapshots: { every: 0 }
        compute: { threads_per_silo: 1, replicas: 1 }
        output: runs
        """);

    /// <summary>Runs it on a cluster of some silos; returns the summary and the metrics lines.</summary>
    internal async Task<(JsonElement Summary, JsonElement[] Metrics)> Train(StandingClusters clusters, string runFile, int silos)
    {
        var id = $"{Path.GetFileName(workspace.Folder)}-on-{silos}";
        var summary = (await clusters.StartRun(runFile, id, silos)).Json;
        Assert.Equal("completed", summary.GetProperty("status").GetString());
        Assert.Equal(silos, summary.GetProperty("silos").GetInt32());
        var lines = File.ReadAllLines(Path.Combine(workspace.Folder, "runs", id, "metrics.jsonl"));
        return (summary, [.. lines.Select(static line => JsonDocument.Parse(line).RootElement)]);
    }

    /// <summary>All fp32 tensors of a file.</summary>
    internal static Dictionary<string, (long[] Shape, float[] Values)> Tensors(string path)
    {
        var header = SafeTensorsHeader.Read(path);
        var result = new Dictionary<string, (long[], float[])>(StringComparer.Ordinal);
        using var stream = File.OpenRead(path);
        foreach (var entry in header.Entries.Values)
        {
            var bytes = new byte[entry.Bytes];
            stream.Position = entry.Offset;
            stream.ReadExactly(bytes);
            result[entry.Name] = (entry.Shape, entry.Type switch
            {
                SafeTensorsType.F32 => MemoryMarshal.Cast<byte, float>(bytes).ToArray(),
                SafeTensorsType.I64 => [.. MemoryMarshal.Cast<byte, long>(bytes).ToArray().Select(static value => (float)value)],
                _ => [],
            });
        }

        return result;
    }

    /// <summary>‖a − b‖ / ‖b − from‖ over some tensors together.</summary>
    internal static double RelativeToChange(IEnumerable<(float[] Ours, float[] Final, float[] Initial)> tensors)
    {
        double difference = 0, change = 0;
        foreach (var (ours, final, initial) in tensors)
        {
            for (var i = 0; i < final.Length; i++)
            {
                difference += Math.Pow((double)ours[i] - final[i], 2);
                change += Math.Pow((double)final[i] - initial[i], 2);
            }
        }

        return Math.Sqrt(difference / Math.Max(change, 1e-30));
    }

    public void Dispose() => workspace.Dispose();

    private void WriteTokens()
    {
        var (shape, ids) = reference["input_ids"];
        var labels = reference["labels"].Values;
        (Steps, Microbatches) = ((int)shape[0], (int)shape[1]);
        var length = (int)shape[2];
        var lines = new StringBuilder();
        for (var row = 0; row < Steps * Microbatches; row++)
        {
            var range = new Range(row * length, (row + 1) * length);
            lines.Append(
                CultureInfo.InvariantCulture,
                $"{{\"input_ids\": [{string.Join(", ", ids[range])}], \"labels\": [{string.Join(", ", labels[range])}]}}\n"
            );
        }

        workspace.Write("train.jsonl", lines.ToString());
    }
}
