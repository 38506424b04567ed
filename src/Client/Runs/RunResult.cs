using System.Text.Json.Nodes;
using Peft.Orleans.Core.Runs;

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

    /// <summary>
    /// Fills what the status lacks from the last line of the metrics: a finished run read from its folder, a tokens-per-second average over
    /// all steps.
    /// </summary>
    public static RunStatus Complete(RunStatus status, string folder)
    {
        var steps = RunFolderReader.Steps(folder).ToArray();
        if (steps.Length == 0) return status;
        var seconds = steps.Sum(static step => step.Seconds);
        return status with
        {
            Step = Math.Max(status.Step, steps[^1].Step),
            // The line may be of a later step than the status.
            Loss = (steps[^1].Step > status.Step ? null : status.Loss) ?? steps[^1].Loss,
            ValidationLoss = status.ValidationLoss ?? steps.LastOrDefault(static step => step.ValidationLoss is not null)?.ValidationLoss,
            TokensPerSecond = status.TokensPerSecond > 0 || seconds <= 0
                ? status.TokensPerSecond
                : steps.Sum(static step => (double)step.Tokens) / seconds,
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
}
