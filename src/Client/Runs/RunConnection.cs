using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Runs;

/// <summary>A connection to the silos that a run is on.</summary>
internal static class RunConnection
{
    /// <summary>Whether silos did not answer because a local run has ended since it was looked up: then its folder tells all.</summary>
    public static bool EndedMeanwhile(ClientException error, IndexedRun run) =>
        error.ExitCode == ExitCodes.NoCluster && run.Cluster is null && RunFolderReader.LivingSilos(run.Folder).Count == 0;

    /// <summary>Connects to the cluster a run was given to, or to the living silos of its local one.</summary>
    /// <exception cref="ClientException">None of them lives, or answers.</exception>
    public static async Task<ClusterClient> Open(Terminal terminal, IndexedRun run, CancellationToken cancellation)
    {
        if (run.Cluster is { } address) return await ClusterClient.ToAddress(terminal, address, cancellation);
        var begun = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var living = RunFolderReader.LivingSilos(run.Folder);
            if (living.Count == 0)
            {
                throw new ClientException(ExitCodes.NoCluster,
                    $"run {run.Id} is not running: no silo of {run.Folder} is alive; see peft-client describe run {run.Id}, "
                    + $"or continue it with peft-client resume {run.Id}");
            }

            try
            {
                return await ClusterClient.ToGateways(
                    terminal,
                    [.. living.Select(static silo => Gateways.At(silo.Gateway))],
                    $"an answer from {string.Join(", ", living.Select(static silo => silo.Name))}",
                    $"the silos of run {run.Id} do not answer; see its logs: peft-client logs {run.Id}",
                    cancellation);
            }
            // A silo that shuts down refuses connections for a moment before its process is gone.
            catch (ClientException error) when (error.ExitCode == ExitCodes.NoCluster
                && TimeProvider.System.GetElapsedTime(begun) < ClusterTimes.Current.Silence)
            {
                await Task.Delay(ClusterTimes.Current.RetryFirst, cancellation);
            }
        }
    }
}
