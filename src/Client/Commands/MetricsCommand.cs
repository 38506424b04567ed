using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>metrics</c>.</summary>
internal static class MetricsCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var follow = new Option<bool>("--follow") { Description = "Go on until the run ends." };
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "ndjson", "json");
        var command = new Command("metrics", "One line per committed step: loss, learning rate, gradient norm, tokens, λ.")
        {
            run,
            follow,
            cluster,
            output,
        };
        command.SetAction(
            async (parsed, _) =>
            {
                using var interruption = new Interruption();
                await using var source = await MetricsSource.Open(terminal, RunLookup.Find(parsed, run, cluster), interruption.Asked);
                var format = parsed.Format(output);
                var last = Write(terminal, await source.After(0), format, 0);
                if (!parsed.GetValue(follow))
                    return ExitCodes.Success;
                using var timer = new PeriodicTimer(Poll);
                try
                {
                    for (var ended = false; !ended;)
                    {
                        // Asked first: what was written before the end is still printed.
                        ended = await source.Ended();
                        last = Write(terminal, await source.After(last), format, last);
                        if (!ended)
                            await timer.WaitForNextTickAsync(interruption.Asked);
                    }
                }
                catch (OperationCanceledException)
                {
                    // Ctrl-C ends the following, not the run.
                }

                return ExitCodes.Success;
            }
        );
        return command;
    }

    private static int Write(Terminal terminal, IReadOnlyList<string> lines, OutputFormat format, int last)
    {
        if (lines.Count == 0)
        {
            if (last == 0 && format == OutputFormat.Json) terminal.Line("[]");
            return last;
        }

        switch (format)
        {
            case OutputFormat.Ndjson:
                foreach (var line in lines) terminal.Line(line);
                break;
            case OutputFormat.Json:
                terminal.Data(new JsonArray([.. lines.Select(static line => JsonNode.Parse(line))]), format, static () =>
                    Terminal.NewTable()
                );
                break;
            default:
                if (last == 0) terminal.Line($"{"STEP",6} {"LOSS",10} {"LR",12} {"GRAD NORM",10} {"TOKENS",8} {"SECONDS",8}  LAMBDA");
                foreach (var step in StepLines.ReadAll(lines)) terminal.Line(Row(step));
                break;
        }

        terminal.Out.Flush();
        return RunFolderReader.StepOf(lines[^1]);
    }

    private static string Row(StepRecord step)
    {
        var lambda = string.Join(' ', step.Lambda.Select(static value => value.ToString("0.000", CultureInfo.InvariantCulture)));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{step.Step,6} {step.Loss,10:0.00000} {step.LearningRate,12:0.00e+00} {step.GradientNorm,10:0.0000} {step.Tokens,8} "
            + $"{step.Seconds,8:0.000}  {lambda}");
    }
}
