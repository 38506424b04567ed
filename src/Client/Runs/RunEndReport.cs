using System.Globalization;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Runs;

/// <summary>What is said when a run has ended: figures, picture, what to do next.</summary>
internal static class RunEndReport
{
    /// <summary>Writes the report and returns the exit code.</summary>
    public static int Write(Terminal terminal, RunStatus status, string word, RunSpec spec, string folder, OutputFormat format)
    {
        status = RunResult.Complete(status, folder);
        var figure = word == "detached" ? null : Picture(terminal, status, spec, folder);
        Action<string> say = format == OutputFormat.Table ? terminal.Line : terminal.Note;
        var invariant = CultureInfo.InvariantCulture;
        say(
            string.Create(invariant, $"run {status.RunId}: {word} after {status.Step} of {status.Steps} steps")
                + (status.Loss is { } loss ? string.Create(invariant, $", loss {loss:0.0000}") : "")
                + (status.ValidationLoss is { } validation ? string.Create(invariant, $", validation loss {validation:0.0000}") : "")
                + (status.TokensPerSecond > 0 ? string.Create(invariant, $", {status.TokensPerSecond:N0} tokens/s") : "")
        );
        if (word is "failed" or "stopped" && status.Message.Length > 0)
            say(status.Message);
        if (status.EvaluationBefore is { } before)
        {
            say(string.Create(invariant, $"exact match on {status.EvaluationProblems} held-out problems: before {before:P1}") +
                (status.EvaluationAfter is { } after ? string.Create(invariant, $", after {after:P1}") : ""));
        }

        if (status.PeakMemory.Count > 0)
            say(
                "peak memory: "
                    + string.Join(
                        ", ",
                        status
                            .PeakMemory.OrderBy(static silo => silo.Key, StringComparer.Ordinal)
                            .Select(silo => string.Create(invariant, $"{silo.Key} {silo.Value / 1048576.0:N0} MiB"))
                    )
            );
        if (status.AdapterPath is { } adapter)
            say($"{(MethodTraits.Of(spec.Method).TrainsBase ? "model" : "adapter")}: {adapter} (sha256 {status.AdapterSha256})");
        if (figure is not null)
            say($"picture: {figure}");
        Next(say, status, word, spec, folder);
        switch (format)
        {
            case OutputFormat.Json:
                terminal.JsonLine(RunResult.Json(status, word));
                break;
            case OutputFormat.Yaml:
                terminal.Out.Write(YamlText.Write(RunResult.Json(status, word)));
                break;
        }

        return RunResult.ExitCode(word);
    }

    private static void Next(Action<string> say, RunStatus status, string word, RunSpec spec, string folder)
    {
        switch (word)
        {
            case "completed" when MethodTraits.Of(spec.Method).TrainsBase:
                say($"next: peft-client generate --model {status.AdapterPath} --prompt TEXT");
                break;
            case "completed":
                say($"next: peft-client generate --model {spec.Model.Path} --adapter {status.AdapterPath} --prompt TEXT");
                say($"      peft-client export {status.RunId} --as merged --to FOLDER");
                break;
            case "failed" or "stopped":
                say($"next: peft-client resume {status.RunId}        (logs: {new RunFolder(folder).Logs})");
                break;
        }
    }

    /// <summary>A picture is a courtesy: a machine without its native library still has its adapter.</summary>
    private static string? Picture(Terminal terminal, RunStatus status, RunSpec spec, string folder)
    {
        try
        {
            return TrainingFigure.Write(folder, $"{status.RunId}: {MethodTraits.Of(spec.Method).Title}");
        }
        catch (Exception error)
            when (error is DllNotFoundException or TypeInitializationException or IOException or InvalidOperationException)
        {
            terminal.Note($"no picture: {(error.InnerException ?? error).Message}");
            return null;
        }
    }
}
