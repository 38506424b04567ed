using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>metrics</c>.</summary>
internal static class MetricsCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    // A run that was given to a background client a moment ago has neither silo nor status yet.
    private static readonly TimeSpan Young = TimeSpan.FromSeconds(30);

    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var follow = new Option<bool>("--follow") { Description = "Go on until the run ends." };
        var output = OutputOption.Create("table", "ndjson", "json");
        var command = new Command("metrics", "One line per committed step: loss, learning rate, gradient norm, tokens, λ.") { run, follow, output };
        command.SetAction(async (parsed, _) =>
        {
            using var interruption = new Interruption();
            var found = RunIndex.OfUser().Find(parsed.GetValue(run)!);
            var format = parsed.Format(output);
            var last = Write(terminal, await Lines(found, 0, interruption.Asked), format, 0);
            if (!parsed.GetValue(follow)) return ExitCodes.Success;
            using var timer = new PeriodicTimer(Poll);
            try
            {
                for (var ended = false; !ended;)
                {
                    // Asked first: what was written before the end is still printed.
                    ended = Ended(found);
                    last = Write(terminal, await Lines(found, last, interruption.Asked), format, last);
                    if (!ended) await timer.WaitForNextTickAsync(interruption.Asked);
                }
            }
            catch (OperationCanceledException)
            {
                // Ctrl-C ends the following, not the run.
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task<IReadOnlyList<string>> Lines(IndexedRun run, int after, CancellationToken cancellation)
    {
        if (run.Cluster is null || Directory.Exists(run.Folder)) return [.. RunFolderReader.MetricsLines(run.Folder).Where(line => RunFolderReader.StepOf(line) > after)];
        await using var client = await ClusterClient.ToRun(run, cancellation);
        var grain = client.Grains.GetGrain<IRunGrain>(run.Id);
        var all = new List<string>();
        while (await grain.GetMetrics(after) is { Count: > 0 } part)
        {
            all.AddRange(part);
            after = RunFolderReader.StepOf(part[^1]);
        }

        return all;
    }

    private static bool Ended(IndexedRun run)
    {
        if (run.Cluster is not null) return RunFolderReader.Status(run.Folder) is { State: RunState.Completed or RunState.Failed or RunState.Stopped };
        if (RunFolderReader.LivingSilos(run.Folder).Count > 0) return RunFolderReader.Status(run.Folder) is { State: RunState.Completed or RunState.Failed };
        return RunFolderReader.Status(run.Folder) is not null || DateTimeOffset.UtcNow - run.Created > Young;
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
                terminal.Data(new JsonArray([.. lines.Select(static line => JsonNode.Parse(line))]), format, static () => Terminal.NewTable());
                break;
            default:
                if (last == 0) terminal.Line($"{"STEP",6} {"LOSS",10} {"LR",12} {"GRAD NORM",10} {"TOKENS",8} {"SECONDS",8}  LAMBDA");
                foreach (var line in lines) terminal.Line(Row(JsonNode.Parse(line)!));
                break;
        }

        terminal.Out.Flush();
        return RunFolderReader.StepOf(lines[^1]);
    }

    private static string Row(JsonNode line)
    {
        var lambda = line["lambda"] is JsonArray { Count: > 0 } values ? string.Join(' ', values.Select(static value => value!.GetValue<double>().ToString("0.000", CultureInfo.InvariantCulture))) : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{Number(line, "step"),6:0} {Number(line, "loss"),10:0.00000} {Number(line, "learningRate"),12:0.00e+00} {Number(line, "gradientNorm"),10:0.0000} {Number(line, "tokens"),8:0} {Number(line, "seconds"),8:0.000}  {lambda}");
    }

    private static double Number(JsonNode line, string key) => line[key]?.GetValue<double>() ?? double.NaN;
}
