using Orleans.Runtime;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Runs;

/// <summary>Starts a run on a cluster and follows it to its end.</summary>
internal sealed class RunSession(Terminal terminal, Interruption interruption)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a remote cluster may be silent: coordinators move within seconds.</summary>
    public TimeSpan Patience { get; init; } = ClusterTimes.Current.Silence;

    /// <summary>Runs on silos of this machine, which end with it.</summary>
    /// <returns>Last status, and <c>completed</c>, <c>failed</c> or <c>stopped</c>.</returns>
    public async Task<(RunStatus Status, string Word)> Local(PreparedRun run, int silos, bool resume)
    {
        await FormerSilosEnded(run);
        var threads = run.Spec.Compute.ThreadsPerSilo ?? 1;
        terminal.Note(
            $"run {run.Id}: {silos} {(silos == 1 ? "silo" : "silos")} with {threads} {(threads == 1 ? "thread" : "threads")} each, folder "
                + $"{run.Folder}"
        );
        await using var cluster = LocalCluster.Start(
            run.Files.Cluster, run.Files.Logs, silos, threads, terminal);
        await using var client = await cluster.Connect(interruption.Asked);
        var grain = client.Grains.GetGrain<IRunGrain>(run.Id);
        // A resumed run's folder tells its former end until this life has written another.
        var former = RunFolderReader.StatusTime(run.Folder);
        // The same request again only asks after the run.
        var request = new RunRequest(run.Id, run.Folder, run.Yaml, resume, Checked: true);
        await cluster.Answered($"the silos to take run {run.Id}", () => grain.Start(request), interruption.Asked);
        var (status, word) = await Follow(
            client,
            grain,
            run.Id,
            run.Folder,
            // Silos that were added later may hold the run when the first ones are gone.
            () => cluster.AllExited && RunFolderReader.LivingSilos(run.Folder).Count == 0 ? cluster.LastWords : null,
            StopInOrder,
            former: former);
        if (interruption.Insisted.IsCancellationRequested) await cluster.End(TimeSpan.Zero);
        return (status with { Folder = run.Folder }, word);
    }

    /// <summary>Silos whose client was killed finish their step and end by themselves; until then the run is theirs.</summary>
    private async Task FormerSilosEnded(PreparedRun run)
    {
        string Former() => string.Join(
            ", ",
            RunFolderReader.LivingSilos(run.Folder).Select(static silo => $"{silo.Name} (process {silo.Pid})"));
        using var watch = new StartWatch(
            terminal, ClusterTimes.Current.OrderlyEnd, ClusterTimes.Current, TimeProvider.System, static () => null, interruption.Asked);
        await watch.Until(
            () => $"{Former()} to end, whose client is gone",
            () => Task.FromResult(Former().Length == 0),
            _ => new ClientException(
                ExitCodes.Refused,
                $"run {run.Id} still has living silos: {Former()}; follow it with peft-client watch {run.Id}, or end them"));
    }

    /// <summary>Gives the run to a cluster.</summary>
    /// <exception cref="ClientException">It was interrupted before the cluster had answered.</exception>
    public static async Task<RunStatus> Hand(ClusterClient client, PreparedRun run, bool resume, CancellationToken interrupted)
    {
        var request = new RunRequest(run.Id, run.Folder, run.Yaml, resume);
        try
        {
            return await client.Ask(() => client.Grains.GetGrain<IRunGrain>(run.Id).Start(request), interrupted);
        }
        catch (OperationCanceledException error) when (interrupted.IsCancellationRequested)
        {
            throw new ClientException(
                ExitCodes.Interrupted,
                $"interrupted while the cluster was taking run {run.Id}; whether it has: peft-client get runs --cluster "
                    + string.Join(',', client.Addresses),
                error);
        }
    }

    /// <summary>Follows a run on silos that are not this command's; a Ctrl-C leaves it there.</summary>
    public Task<(RunStatus Status, string Word)> Watch(ClusterClient client, IndexedRun run) =>
        Follow(
            client,
            client.Grains.GetGrain<IRunGrain>(run.Id),
            run.Id,
            run.Folder,
            () => run.Cluster is null && RunFolderReader.LivingSilos(run.Folder).Count == 0 ? "its silos have ended" : null,
            Detach,
            run.Cluster
        );

    private async Task<(RunStatus Status, string Word)> Follow(
        ClusterClient client,
        IRunGrain grain,
        string id,
        string folder,
        Func<string?> lost,
        Func<ClusterClient, string, Task<bool>> interrupted,
        string? address = null,
        DateTime? former = null)
    {
        var progress = new ProgressLine(terminal, TimeProvider.System);
        if (await WatchPage.Ask(client, id) is { } page) terminal.Note($"page: {page}");
        var last = new RunStatus { RunId = id };
        using var timer = new PeriodicTimer(Poll);
        var asked = false;
        var heard = TimeProvider.System.GetTimestamp();
        try
        {
            while (true)
            {
                if (await StatusOf(client, grain) is { } status)
                {
                    last = status;
                    heard = TimeProvider.System.GetTimestamp();
                    progress.Show(status);
                    if (WordOf(status.State) is { } word) return (status, word);
                }

                if (address is not null && TimeProvider.System.GetElapsedTime(heard) > Patience)
                    throw new ClientException(
                        ExitCodes.NoCluster,
                        $"no silo at {address} has answered for {Patience.TotalSeconds:0} s; where the cluster goes on, so does the run: "
                            + $"peft-client watch {id}"
                    );

                if (lost() is { } reason)
                {
                    progress.End();
                    // Silos that joined end with their run, and may be gone before its end was seen.
                    if (RunFolderReader.StatusTime(folder) != former && RunFolderReader.Status(folder) is { } end
                        && WordOf(end.State) is { } ending)
                        return (end, ending);
                    terminal.Note(reason);
                    return (
                        last with
                        {
                            State = RunState.Failed,
                            Message = $"all silos have ended; continue from the last snapshot with: peft-client resume {id}",
                        },
                        "failed"
                    );
                }

                if (interruption.Asked.IsCancellationRequested && !asked)
                {
                    asked = true;
                    progress.End();
                    if (!await interrupted(client, id)) return (last, "detached");
                }

                if (interruption.Insisted.IsCancellationRequested)
                    return (last with { State = RunState.Stopped, Message = "ended at once" }, "stopped");
                await timer.WaitForNextTickAsync();
            }
        }
        finally
        {
            progress.End();
        }
    }

    private async Task<bool> StopInOrder(ClusterClient client, string id)
    {
        terminal.Note("stopping after the step under way, with a snapshot (Ctrl-C again ends at once)");
        await client.Stop(id, snapshot: true);
        return true;
    }

    private Task<bool> Detach(ClusterClient client, string id)
    {
        terminal.Note($"detached; the run goes on. Come back with: peft-client watch {id}");
        return Task.FromResult(false);
    }

    /// <summary>The status, or null while the silo that has the coordinator, or the one that is asked, is being replaced.</summary>
    private static async Task<RunStatus?> StatusOf(ClusterClient client, IRunGrain grain)
    {
        try
        {
            var status = await grain.GetStatus().WaitAsync(ClusterTimes.Current.Answer);
            client.TrustGateways();
            return status;
        }
        catch (Exception error) when (StartWatch.IsPassing(error))
        {
            if (error is TimeoutException) client.DoubtGateways();
            return null;
        }
    }

    /// <summary>The word of a state in which a run has ended; null: it has not.</summary>
    public static string? WordOf(RunState state) => state switch
    {
        RunState.Completed => "completed",
        RunState.Failed => "failed",
        RunState.Stopped => "stopped",
        _ => null,
    };
}
