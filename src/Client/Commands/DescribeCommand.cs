using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>describe run</c>.</summary>
internal static class DescribeCommand
{
    private const int LastEvents = 10;

    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "json", "yaml");
        var describe = new Command("run", "Everything known of one run: state, figures, method, silos, last events.")
        {
            run,
            cluster,
            output,
        };
        describe.SetAction(
            async (parsed, cancellation) =>
            {
                var data = await Describe(terminal, RunLookup.Find(parsed, run, cluster), cancellation);
                terminal.Data(data, parsed.Format(output), () => Table(data));
                return ExitCodes.Success;
            }
        );
        return new Command("describe", "Show one thing in detail.") { describe };
    }

    private static async Task<JsonObject> Describe(Terminal terminal, IndexedRun run, CancellationToken cancellation)
    {
        var status = RunFolderReader.Status(run.Folder);
        var alive = run.Cluster is not null || RunFolderReader.LivingSilos(run.Folder).Count > 0;
        IReadOnlyList<SiloStatus> silos = [];
        if (alive)
        {
            try
            {
                await using var client = await RunConnection.Open(terminal, run, cancellation);
                status = await client.StatusOf(run.Id);
                silos = await client.SilosOf(run.Id);
                if (run.Folder.Length == 0) run = run with { Folder = status.Folder, Created = status.Created };
            }
            catch (ClientException error) when (RunConnection.EndedMeanwhile(error, run))
            {
                alive = false;
                status = RunFolderReader.Status(run.Folder);
            }
        }

        status = RunResult.Complete(status ?? new RunStatus { RunId = run.Id }, run.Folder);
        var data = RunResult.Json(status, RunFolderReader.StateOf(status, alive || RunLock.IsHeld(run.Folder)));
        data["plannedSteps"] = status.Steps;
        data["message"] = status.Message;
        data["folder"] = run.Folder;
        data["created"] = run.Created.ToString("O", CultureInfo.InvariantCulture);
        data["term"] = status.Term;
        data["evaluationBefore"] = status.EvaluationBefore;
        data["evaluationAfter"] = status.EvaluationAfter;
        data["lambda"] = status.Lambda.Length == 0 ? null : new JsonArray([.. status.Lambda.Select(static value => (JsonNode)value)]);
        var path = run.Files.RunFile;
        if (File.Exists(path))
        {
            var spec = RunFile.Load(path);
            data["model"] = spec.Model.Path;
            data["method"] = RunFile.WriteMethod(spec);
        }

        data["page"] = WatchPage.Of(silos, run.Id);
        data["siloList"] = new JsonArray([.. silos.Select(static silo => (JsonNode)SilosCommand.Json(silo))]);
        data["events"] = new JsonArray([
            .. RunFolderReader.Events(run.Folder).TakeLast(LastEvents).Select(static line => JsonNode.Parse(line)),
        ]);
        return data;
    }

    /// <summary>A row per value; the method's keys as in the run file, a silo and an event per row.</summary>
    private static Spectre.Console.Table Table(JsonObject data)
    {
        var table = Terminal.NewTable("KEY", "VALUE");
        table.Columns[^1].NoWrap = false;
        foreach (var (key, value) in data)
        {
            switch (key, value)
            {
                case (_, null or JsonArray { Count: 0 }):
                    break;
                case ("siloList", JsonArray silos):
                    foreach (var silo in silos) table.Row(RunEvents.Word(silo!["name"]), SilosCommand.Sentence(silo!));
                    break;
                case ("events", JsonArray):
                    var lines = RunFolderReader.Events(RunEvents.Word(data["folder"]));
                    foreach (var (time, sentence) in EventText.Last(lines, LastEvents)) table.Row(time, sentence);
                    break;
                case ("method", JsonObject method):
                    Keys(table, key, method);
                    break;
                default:
                    if (Shown(key, value) is { Length: > 0 } text) table.Row(key, text);
                    break;
            }
        }

        return table;
    }

    /// <summary>A figure with as many digits as are read, a time as the events have it.</summary>
    private static string Shown(string key, JsonNode? value) => value switch
    {
        JsonArray list => string.Join(", ", list.Select(item => Shown(key, item))),
        JsonValue number when number.GetValueKind() == JsonValueKind.Number => key.StartsWith("evaluation", StringComparison.Ordinal)
            ? number.GetValue<double>().ToString("P1", CultureInfo.InvariantCulture)
            : number.TryGetValue<double>(out var real)
                ? real.ToString("G5", CultureInfo.InvariantCulture)
                : RunEvents.Word(number),
        _ when key == "created" => EventText.Time(value),
        _ => RunEvents.Word(value),
    };

    private static void Keys(Spectre.Console.Table table, string prefix, JsonObject section)
    {
        foreach (var (key, value) in section)
        {
            if (value is JsonObject inner) Keys(table, $"{prefix}.{key}", inner);
            else if (RunEvents.Word(value) is { Length: > 0 } text) table.Row($"{prefix}.{key}", text);
        }
    }
}
