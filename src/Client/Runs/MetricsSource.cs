using Orleans.Runtime;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Runs;

/// <summary>Where the metrics of a run come from: its folder, or the cluster it was given to.</summary>
internal abstract class MetricsSource : IAsyncDisposable
{
    /// <summary>Lines of steps after <paramref name="step"/>.</summary>
    public abstract Task<IReadOnlyList<string>> After(int step);

    /// <summary>Whether nothing more is to come.</summary>
    public abstract Task<bool> Ended();

    public abstract ValueTask DisposeAsync();

    /// <summary>The source of a run; a cluster that is gone may have left the run's folder.</summary>
    public static async Task<MetricsSource> Open(Terminal terminal, IndexedRun run, CancellationToken cancellation)
    {
        if (run.Cluster is null) return new OfFolder(run);
        try
        {
            var client = await RunConnection.Open(terminal, run, cancellation);
            try
            {
                await client.StatusOf(run.Id);
                return new OfCluster(client, run.Id);
            }
            catch
            {
                await client.DisposeAsync();
                throw;
            }
        }
        catch (ClientException) when (RunFolderReader.MetricsLines(run.Folder).Count > 0)
        {
            return new OfFolder(run);
        }
    }

    private sealed class OfFolder(IndexedRun run) : MetricsSource
    {
        public override Task<IReadOnlyList<string>> After(int step) =>
            Task.FromResult<IReadOnlyList<string>>([
                .. RunFolderReader.MetricsLines(run.Folder).Where(line => RunFolderReader.StepOf(line) > step),
            ]);

        public override Task<bool> Ended()
        {
            var status = RunFolderReader.Status(run.Folder);
            if (run.Cluster is null && RunFolderReader.LivingSilos(run.Folder).Count > 0)
                return Task.FromResult(status is { State: RunState.Completed or RunState.Failed });
            // A run that was given to a background client a moment ago has neither silo nor status yet, but its client.
            return Task.FromResult(!RunLock.IsHeld(run.Folder));
        }

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class OfCluster(ClusterClient client, string runId) : MetricsSource
    {
        private readonly IRunGrain grain = client.Grains.GetGrain<IRunGrain>(runId);

        public override async Task<IReadOnlyList<string>> After(int step)
        {
            var all = new List<string>();
            try
            {
                while (await grain.GetMetrics(step) is { Count: > 0 } part)
                {
                    all.AddRange(part);
                    step = RunFolderReader.StepOf(part[^1]);
                }
            }
            catch (Exception error) when (StartWatch.IsPassing(error))
            {
                // The silo of the coordinator is being replaced: what is missing comes with the next call.
            }

            return all;
        }

        public override async Task<bool> Ended()
        {
            try
            {
                return (await grain.GetStatus()).State is RunState.Completed or RunState.Failed or RunState.Stopped;
            }
            catch (Exception error) when (StartWatch.IsPassing(error))
            {
                return false;
            }
        }

        public override ValueTask DisposeAsync() => client.DisposeAsync();
    }
}
