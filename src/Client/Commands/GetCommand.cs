using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>get runs</c>.</summary>
internal static class GetCommand
{
    public static Command Create(Terminal terminal)
    {
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "json", "yaml");
        var runs = new Command("runs", "List your runs, newest first; with --cluster those of a cluster.") { cluster, output };
        runs.SetAction(async (parsed, cancellation) =>
        {
            var rows = parsed.GetValue(cluster) is { } address ? await OfCluster(terminal, address, cancellation) : OfUser(terminal);
            terminal.Data(new JsonArray([.. rows.Select(static row => (JsonNode)row)]), parsed.Format(output), () => Table(rows));
            return ExitCodes.Success;
        });
        return new Command("get", "List things.") { runs };
    }

    private static List<JsonObject> OfUser(Terminal terminal)
    {
        var rows = new List<JsonObject>();
        var index = RunIndex.OfUser();
        index.RequireUsable();
        foreach (var run in index.All())
        {
            if (!Directory.Exists(run.Folder) && run.Cluster is null) continue;
            RunStatus? status;
            try
            {
                status = RunFolderReader.Status(run.Folder);
            }
            catch (PeftException error)
            {
                // One run's damaged file takes no other run off the list.
                terminal.Note(error.Message);
                rows.Add(Row(run.Id, RunResult.Complete(null, run.Id, run.Folder), "damaged", run.Folder, run.Created));
                continue;
            }

            var alive = run.Cluster is null && RunFolderReader.IsActive(run.Folder);
            // A run whose silos were killed has come further than the last status it could write.
            if (status is not { State: RunState.Completed })
                status = RunResult.Complete(status, run.Id, run.Folder);
            rows.Add(
                Row(
                    run.Id,
                    status,
                    run.Cluster is null || status is not null ? RunFolderReader.StateOf(status, alive) : "on " + run.Cluster,
                    run.Folder,
                    run.Created
                )
            );
        }

        return rows;
    }

    private static async Task<List<JsonObject>> OfCluster(Terminal terminal, string address, CancellationToken cancellation)
    {
        await using var client = await ClusterClient.ToAddress(terminal, address, cancellation);
        var rows = new List<JsonObject>();
        foreach (var reported in await client.Ask(() => client.Grains.GetGrain<IRunCatalogGrain>(0).List()))
        {
            // The catalogue knows beginnings and ends; how far a run has come, its coordinator knows.
            var run = RunSession.WordOf(reported.State) is null ? await client.StatusOf(reported.RunId) : reported;
            rows.Add(Row(run.RunId, run, run.State.ToString().ToLowerInvariant(), run.Folder, reported.Created));
        }

        return rows;
    }

    private static JsonObject Row(string id, RunStatus? status, string state, string folder, DateTimeOffset created) => new()
    {
        ["runId"] = id,
        ["state"] = state,
        ["step"] = status?.Step ?? 0,
        ["steps"] = status?.Steps ?? 0,
        ["loss"] = status?.Loss,
        ["created"] = created.ToString("O", CultureInfo.InvariantCulture),
        ["folder"] = folder,
    };

    private static Spectre.Console.Table Table(List<JsonObject> rows)
    {
        var table = Terminal.NewTable("RUN", "STATE", "STEP", "LOSS", "CREATED", "FOLDER");
        table.Columns[0].NoWrap = false;
        table.Columns[^1].NoWrap = false;
        foreach (var row in rows)
        {
            var created = DateTimeOffset.Parse(row["created"]!.GetValue<string>(), CultureInfo.InvariantCulture).ToLocalTime();
            string[] cells =
            [
                row["runId"]!.GetValue<string>(),
                row["state"]!.GetValue<string>(),
                $"{row["step"]}/{row["steps"]}",
                row["loss"]?.GetValue<double>().ToString("0.0000", CultureInfo.InvariantCulture) ?? "",
                created.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
                row["folder"]!.GetValue<string>(),
            ];
            table.Row(cells);
        }

        return table;
    }
}
