using System.CommandLine;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>watch</c>.</summary>
internal static class WatchCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "json");
        var command = new Command("watch", "Show the progress of a run until it ends; Ctrl-C leaves it running.")
        {
            run,
            cluster,
            output,
        };
        command.SetAction(
            async (parsed, _) =>
            {
                var found = RunLookup.Find(parsed, run, cluster);
                using var interruption = new Interruption();
                var word = "";
                var status = RunFolderReader.Status(found.Folder);
                if (found.Cluster is null && status is not null && !RunFolderReader.IsActive(found.Folder))
                {
                    word = RunFolderReader.StateOf(status, alive: false);
                }
                else
                {
                    try
                    {
                        if (found.Cluster is null) await FirstSilo(terminal, found, interruption.Asked);
                        await using var client = await RunConnection.Open(terminal, found, interruption.Asked);
                        await Begun(terminal, client, found, interruption.Asked);
                        (status, word) = await new RunSession(terminal, interruption).Watch(client, found);
                    }
                    catch (ClientException error) when (RunConnection.EndedMeanwhile(error, found)
                        && RunFolderReader.Status(found.Folder) is { } last)
                    {
                        (status, word) = (last, RunFolderReader.StateOf(last, alive: false));
                    }
                }

                status = RunResult.Complete(status!, found.Folder);
                if (parsed.Format(output) == OutputFormat.Json)
                    terminal.JsonLine(RunResult.Json(status, word));
                else
                {
                    var reason = status.Message.Length > 0 && word is not "completed" and not "detached" ? ": " + status.Message : "";
                    terminal.Line($"run {found.Id}: {word} after {status.Step} of {status.Steps} steps{reason}");
                }

                return RunResult.ExitCode(word);
            }
        );
        return command;
    }

    /// <summary>A run started a moment ago in the background has a client, but no silo yet.</summary>
    private static async Task FirstSilo(Terminal terminal, IndexedRun run, CancellationToken cancellation)
    {
        using var watch = StartOf(terminal, cancellation);
        await watch.Until(
            static () => "the first silo",
            () => Task.FromResult(RunFolderReader.LivingSilos(run.Folder).Count > 0 || !RunLock.IsHeld(run.Folder)),
            Failure);
    }

    /// <summary>Silos that are just starting do not know the run yet that their client is going to give them.</summary>
    private static async Task Begun(Terminal terminal, ClusterClient client, IndexedRun run, CancellationToken cancellation)
    {
        using var watch = StartOf(terminal, cancellation);
        await watch.Until(() => $"run {run.Id} to begin", async () =>
        {
            try
            {
                await client.StatusOf(run.Id);
                return true;
            }
            catch (ClientException error) when (error.ExitCode == ExitCodes.NotFound && RunLock.IsHeld(run.Folder))
            {
                return false;
            }
        }, Failure);
    }

    private static StartWatch StartOf(Terminal terminal, CancellationToken cancellation) =>
        new(terminal, ClusterTimes.Current.LocalStart, ClusterTimes.Current, TimeProvider.System, static () => null, cancellation);

    private static ClientException Failure(string what) =>
        new(ExitCodes.NoCluster, $"waited {ClusterTimes.Current.LocalStart.TotalSeconds:0} s for {what}");
}
