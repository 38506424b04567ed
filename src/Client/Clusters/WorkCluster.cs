using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// A cluster for one piece of work (text, scores, an export): silos of this machine in a temporary folder, or a running cluster.
/// </summary>
internal sealed class WorkCluster : IAsyncDisposable
{
    private readonly LocalCluster? local;
    private readonly RunFolder? folder;
    private bool failed;

    private WorkCluster(ClusterClient client, LocalCluster? local, RunFolder? folder)
    {
        Client = client;
        this.local = local;
        this.folder = folder;
    }

    /// <summary>The connection.</summary>
    public ClusterClient Client { get; }

    /// <summary>Starts silos, or connects.</summary>
    public static async Task<WorkCluster> Open(Terminal terminal, int silos, string? address, CancellationToken cancellation)
    {
        if (address is not null) return new WorkCluster(await ClusterClient.ToAddress(terminal, address, cancellation), null, null);
        var files = new RunFolder(Directory.CreateTempSubdirectory("peft-").FullName);
        LocalCluster? local = null;
        try
        {
            local = LocalCluster.Start(
                files.Cluster,
                files.Logs,
                silos,
                Math.Max(1, Environment.ProcessorCount / silos),
                terminal
            );
            var client = await local.Connect(cancellation);
            return new WorkCluster(client, local, files);
        }
        catch (Exception error)
        {
            if (local is not null) await local.End(ClusterTimes.Current.SiloTerminated);
            Delete(files, keepLogs: local is not null && error is ClientException);
            throw;
        }
    }

    /// <summary>Waits for work as long as silos live and nobody interrupts.</summary>
    public async Task<T> Wait<T>(Task<T> work, CancellationToken cancellation)
    {
        var interrupted = Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        var lost = local?.AllEndedAsync ?? Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        var first = await Task.WhenAny(work, lost, interrupted);
        if (first == work) return await work;
        cancellation.ThrowIfCancellationRequested();
        failed = true;
        throw new ClientException(ExitCodes.Failed, local!.LastWords);
    }

    public async ValueTask DisposeAsync()
    {
        // Nothing here is worth keeping: the silos need no orderly end.
        if (local is not null)
        {
            var ended = local.End(ClusterTimes.Current.SiloTerminated);
            await Client.DisposeAsync();
            await ended;
        }
        else
        {
            await Client.DisposeAsync();
        }

        if (folder is not null) Delete(folder, keepLogs: failed);
    }

    /// <summary>Deletes the folder, but not the logs that an error has named.</summary>
    private static void Delete(RunFolder folder, bool keepLogs)
    {
        try
        {
            Directory.Delete(keepLogs ? folder.Cluster : folder.Path, recursive: true);
        }
        catch (IOException)
        {
            // A silo that was killed may leave a file behind; the folder is the system's temporary one.
        }
    }
}
