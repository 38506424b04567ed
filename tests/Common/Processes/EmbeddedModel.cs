using System.Globalization;
using System.Text;

namespace Peft.Orleans.Tests;

/// <summary>The embedded model of the examples, for runs of a few seconds.</summary>
internal static class EmbeddedModel
{
    internal static string Examples { get; } = Path.Combine(SharedFolder.RepositoryRoot, "examples");

    internal static string Folder { get; } = Path.Combine(Examples, "tiny-llama");

    /// <summary>A copy of the model's folder, to be damaged.</summary>
    internal static string Copy(Workspace workspace)
    {
        var target = Path.Combine(workspace.Folder, "model");
        Directory.CreateDirectory(target);
        foreach (var file in Directory.EnumerateFiles(Folder)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        return target;
    }

    /// <summary>A run file over the first problems of the quickstart; a method by name, or its section.</summary>
    internal static string RunFile(
        Workspace workspace,
        string method = "hybrid",
        int steps = 6,
        string? model = null,
        string? data = null,
        string extra = "",
        string replicas = "1"
    )
    {
        if (data is null)
        {
            var lines = File.ReadLines(Path.Combine(Examples, "problems", "train.jsonl")).Take(200);
            data = workspace.Write("train.jsonl", string.Join('\n', lines) + "\n");
        }

        var options = method switch
        {
            "full" => "{ name: full }",
            "lora" => "{ name: lora, lora: { rank: 4, alpha: 8 } }",
            ['{', ..] => method,
            _ => "{ name: hybrid, lora: { rank: 4, alpha: 8 }, lora_ga: { gradient_samples: 4 } }",
        };
        return workspace.Write("run.yaml", string.Create(CultureInfo.InvariantCulture, $$"""
            name: small
            seed: 3
            model: { path: {{model ?? Folder}} }
            data:
              train: { path: {{data}}, format: completion }
              max_length: 160
            method: {{options}}
            training:
              steps: {{steps}}
              global_batch: 8
              microbatch: 2
              optimizer: { name: adamw, learning_rate: 1.0e-3 }
            snapshots: { every: 2 }
            compute: { threads_per_silo: 1, replicas: {{replicas}} }
            output: runs
            {{extra}}
            """));
    }

    /// <summary>Some steps' lines without what may differ between runs of equal bits: time, term, silos.</summary>
    internal static IReadOnlyList<string> Comparable(string runFolder)
    {
        var lines = new List<string>();
        foreach (var line in File.ReadAllLines(Path.Combine(runFolder, "metrics.jsonl")))
        {
            var node = System.Text.Json.Nodes.JsonNode.Parse(line)!.AsObject();
            foreach (var key in (string[])["seconds", "term", "silos"]) node.Remove(key);
            lines.Add(node.ToJsonString());
        }

        return lines;
    }

    /// <summary>Bytes of the adapter.</summary>
    internal static byte[] Adapter(string runFolder) => File.ReadAllBytes(Path.Combine(runFolder, "adapter", "adapter_model.safetensors"));
}
