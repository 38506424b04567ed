using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Runs whose results are exported, each made once.</summary>
public sealed class ExportRuns(StandingClusters clusters) : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly Dictionary<string, Task<string>> runs = [];
    private readonly Dictionary<string, Task<List<double>>> scores = [];

    /// <summary>The folder of a run of a method.</summary>
    internal Task<string> Run(string method)
    {
        lock (runs) return runs.TryGetValue(method, out var known) ? known : runs[method] = Train(method);
    }

    /// <summary>Log-likelihoods of the base model.</summary>
    internal Task<List<double>> Base() => Known("base", "--model", EmbeddedModel.Folder);

    /// <summary>Log-likelihoods of the base model with a run's adapter.</summary>
    internal async Task<List<double>> Adapted(string method) =>
        await Known(method, "--model", EmbeddedModel.Folder, "--adapter", Path.Combine(await Run(method), "adapter"));

    /// <summary>Log-likelihoods of problems that no run has seen.</summary>
    internal async Task<List<double>> Score(params string[] model)
    {
        var lines = File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Skip(300).Take(8).Select(static line =>
        {
            var problem = JsonNode.Parse(line)!;
            var (context, continuation) = ((string)problem["prompt"]!, (string)problem["completion"]!);
            return JsonSerializer.Serialize(new { context, continuation }) + "\n";
        });
        var input = workspace.Write($"score-{Guid.NewGuid():N}.jsonl", string.Concat(lines));
        string[] how = ["--dtype", "float32", "--input", input, "--output", "-", "--cluster", await clusters.Address(1)];
        var scores = (await PeftClient.Run(["score", .. model, .. how])).Succeeded().Output;
        return
        [
            .. scores.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(static line => JsonNode.Parse(line)!["logLikelihood"]!.GetValue<double>()),
        ];
    }

    public void Dispose() => workspace.Dispose();

    private Task<List<double>> Known(string name, params string[] model)
    {
        lock (scores) return scores.TryGetValue(name, out var known) ? known : scores[name] = Score(model);
    }

    private async Task<string> Train(string method)
    {
        var file = EmbeddedModel.RunFile(workspace, method, steps: 4);
        // Large steps: what is exported must differ from the base.
        var rate = method == "full" ? "1.0e-3" : "1.0e-2";
        var id = $"{Path.GetFileName(workspace.Folder)}-{method}";
        await clusters.StartRun(file, id, 1, "--set", $"training.optimizer.learning_rate={rate}");
        return Path.Combine(workspace.Folder, "runs", id);
    }
}
