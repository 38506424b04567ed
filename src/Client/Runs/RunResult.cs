using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Runs;

/// <summary>What start-run and resume say at the end.</summary>
internal static class RunResult
{
    /// <summary>The documented object.</summary>
    /// <param name="status">Last status.</param>
    /// <param name="word"><c>completed</c>, <c>failed</c>, <c>stopped</c> or <c>detached</c>.</param>
    public static JsonObject Json(RunStatus status, string word) => new()
    {
        ["runId"] = status.RunId,
        ["status"] = word,
        ["steps"] = status.Step,
        ["finalLoss"] = status.Loss,
        ["validationLoss"] = status.ValidationLoss,
        ["tokensPerSecond"] = Math.Round(status.TokensPerSecond, 3),
        ["adapterPath"] = status.AdapterPath,
        ["adapterSha256"] = status.AdapterSha256,
        ["silos"] = status.Silos,
        ["recoveries"] = status.Recoveries,
    };

    /// <summary>Fills what the status lacks from the last line of the metrics: a finished run read from its folder, a tokens-per-second average over all steps.</summary>
    public static RunStatus Complete(RunStatus status, string folder)
    {
        var lines = RunFolderReader.MetricsLines(folder);
        if (lines.Count == 0) return status;
        double tokens = 0, seconds = 0;
        double? validation = null;
        foreach (var line in lines)
        {
            using var document = JsonDocument.Parse(line);
            tokens += Number(document, "tokens") ?? 0;
            seconds += Number(document, "seconds") ?? 0;
            validation = Number(document, "validationLoss") ?? validation;
        }

        using var last = JsonDocument.Parse(lines[^1]);
        var step = RunFolderReader.StepOf(lines[^1]);
        return status with
        {
            Step = Math.Max(status.Step, step),
            Loss = (step > status.Step ? null : status.Loss) ?? Number(last, "loss"),
            ValidationLoss = status.ValidationLoss ?? validation,
            TokensPerSecond = status.TokensPerSecond > 0 || seconds <= 0 ? status.TokensPerSecond : tokens / seconds,
        };
    }

    /// <summary>The same for a run that may not have written any status yet; null where it has no step either.</summary>
    public static RunStatus? Complete(RunStatus? status, string runId, string folder)
    {
        var complete = Complete(status ?? new RunStatus { RunId = runId }, folder);
        return status is null && complete.Step == 0 ? null : complete;
    }

    /// <summary>The exit code of a status word.</summary>
    public static int ExitCode(string word) => word switch
    {
        "completed" or "detached" => ExitCodes.Success,
        "stopped" => ExitCodes.Stopped,
        _ => ExitCodes.Failed,
    };

    private static double? Number(JsonDocument line, string key) =>
        line.RootElement.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
}
