using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Chaos;

/// <summary>A file, or the files of a full model in order, with their hash.</summary>
internal sealed record HashedFile(string Path, string? Sha256)
{
    internal static HashedFile Of(string path) =>
        new(path, File.Exists(path) ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))) : null);

    /// <summary>The adapter of a run; with method full the model, hashed over its shards in order.</summary>
    internal static HashedFile Trained(string runFolder)
    {
        var model = System.IO.Path.Combine(runFolder, "model");
        if (!Directory.Exists(model)) return Of(System.IO.Path.Combine(runFolder, "adapter", "adapter_model.safetensors"));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var shard in Directory.EnumerateFiles(model, "*.safetensors").Order(StringComparer.Ordinal))
            hash.AppendData(File.ReadAllBytes(shard));
        return new HashedFile(model, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}

/// <summary>Two runs of one run file, by what they have written.</summary>
internal sealed record Comparison(
    int SamplesDropped, int SamplesRepeated, int StepsDiffering, HashedFile[] Adapters, HashedFile[] SampleLogs)
{
    internal bool AdapterIdentical => Adapters[0].Sha256 is { } hash && hash == Adapters[1].Sha256;

    internal bool SampleLogIdentical => SampleLogs[0].Sha256 is { } hash && hash == SampleLogs[1].Sha256;

    internal static Comparison Of(string undisturbed, ChaosOutcome outcome)
    {
        string[] folders = [undisturbed, outcome.Folder];
        var samples = folders.Select(static folder => SamplesOf(Path.Combine(folder, "samples.jsonl"))).ToArray();
        var dropped = 0;
        var repeated = 0;
        foreach (var step in samples[0].Keys.Union(samples[1].Keys))
        {
            var right = samples[0].GetValueOrDefault(step) ?? [];
            var found = samples[1].GetValueOrDefault(step) ?? [];
            foreach (var hash in right.Union(found))
            {
                var difference = found.Count(other => other == hash) - right.Count(other => other == hash);
                dropped += Math.Max(0, -difference);
                repeated += Math.Max(0, difference);
            }
        }

        var metrics = folders.Select(static folder => MetricsOf(Path.Combine(folder, "metrics.jsonl"))).ToArray();
        var differing = metrics[0]
            .Keys.Union(metrics[1].Keys)
            .Count(step => metrics[0].GetValueOrDefault(step) != metrics[1].GetValueOrDefault(step));
        return new Comparison(
            dropped,
            repeated,
            differing,
            [.. folders.Select(HashedFile.Trained)],
            [.. folders.Select(static folder => HashedFile.Of(Path.Combine(folder, "samples.jsonl")))]
        );
    }

    /// <summary>Content hashes of the microbatches that a step was made of; a step logged twice has them twice.</summary>
    private static Dictionary<int, List<string>> SamplesOf(string path)
    {
        var steps = new Dictionary<int, List<string>>();
        foreach (var line in RunWatch.Objects(path))
        {
            var step = line.GetProperty("step").GetInt32();
            if (!steps.TryGetValue(step, out var hashes)) steps[step] = hashes = [];
            hashes.AddRange(line.GetProperty("samples").EnumerateArray().Select(static hash => hash.GetString()!));
        }

        return steps;
    }

    /// <summary>
    /// The line of each step, numbers as they are written, without what may differ between runs of equal bits: time, term, silos.
    /// </summary>
    private static Dictionary<int, string> MetricsOf(string path)
    {
        var steps = new Dictionary<int, string>();
        foreach (var line in RunWatch.Objects(path))
        {
            var node = JsonObject.Create(line)!;
            foreach (var key in (string[])["seconds", "term", "silos"]) node.Remove(key);
            var step = node["step"]!.GetValue<int>();
            steps[step] = steps.GetValueOrDefault(step) + node.ToJsonString();
        }

        return steps;
    }
}
