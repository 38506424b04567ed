using System.CommandLine;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>watch</c>.</summary>
internal static class WatchCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "json");
        var command = new Command("watch", "Show the progress of a run until it ends; Ctrl-C leaves it running.") { run, cluster, output };
        command.SetAction(async (parsed, _) =>
        {
            var found = RunLookup.Find(parsed, run, cluster);
            using var interruption = new Interruption();
            // A run started a moment ago in the background has no silo yet.
            var word = "";
            var status = RunFolderReader.Status(found.Folder);
            if (found.Cluster is null && RunFolderReader.LivingSilos(found.Folder).Count == 0 && status is not null)
            {
                word = RunFolderReader.StateOf(status, alive: false);
            }
            else
            {
                if (found.Cluster is null) await FirstSilo(found, interruption.Asked);
                await using var client = await ClusterClient.ToRun(terminal, found, interruption.Asked);
                await client.StatusOf(found.Id);
                (status, word) = await new RunSession(terminal, interruption).Watch(client, found);
            }

            status = RunResult.Complete(status!, found.Folder);
            if (parsed.Format(output) == OutputFormat.Json) terminal.JsonLine(RunResult.Json(status, word));
            else terminal.Line($"run {found.Id}: {word} after {status.Step} of {status.Steps} steps{(status.Message.Length > 0 && word is not "completed" and not "detached" ? ": " + status.Message : "")}");
            return RunResult.ExitCode(word);
        });
        return command;
    }

    private static async Task FirstSilo(IndexedRun run, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        try
        {
            while (RunFolderReader.LivingSilos(run.Folder).Count == 0) await timer.WaitForNextTickAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ClientException(ExitCodes.NoCluster, $"run {run.Id} is not running: no silo of {run.Folder} is alive; continue it with peft-client resume {run.Id}");
        }
    }
}
