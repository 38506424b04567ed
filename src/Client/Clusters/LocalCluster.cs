using System.Globalization;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// A cluster of silo processes on this machine, without a server: membership and state are SQLite files in a folder. The silos end with
/// this object, and with this process however it ends. A silo that dies is not started again; the run goes on with the others.
/// </summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    private readonly string folder;
    private readonly string logs;
    private readonly List<SiloProcess> silos;
    private readonly Terminal terminal;
    private bool ended;

    private LocalCluster(string folder, string logs, List<SiloProcess> silos, Terminal terminal)
    {
        this.folder = folder;
        this.logs = logs;
        this.silos = silos;
        this.terminal = terminal;
    }

    /// <summary>Whether no silo is left.</summary>
    public bool AllExited => silos.TrueForAll(static silo => silo.Exited);

    /// <summary>Completes when no silo is left.</summary>
    public Task AllEndedAsync => Task.WhenAll(silos.Select(static silo => silo.Ended));

    /// <summary>The end of the first silo that ended, for an error message.</summary>
    public string LastWords =>
        silos.Find(static silo => silo.Exited) is { } silo ? $"{silo.Name} has ended; its last words:\n{silo.LastWords()}" : "";

    /// <summary>Starts the processes; returns at once.</summary>
    public static LocalCluster Start(string clusterFolder, string logFolder, int silos, int threads, Terminal terminal)
    {
        Directory.CreateDirectory(clusterFolder);
        ClusterFolder.Reset(clusterFolder);
        Directory.CreateDirectory(logFolder);
        var processes = new List<SiloProcess>();
        try
        {
            for (var i = 0; i < silos; i++)
            {
                var name = "silo-" + i.ToString(CultureInfo.InvariantCulture);
                processes.Add(SiloProcess.Start(name, clusterFolder, Path.Combine(logFolder, name + ".log"), threads));
            }
        }
        catch
        {
            processes.ForEach(static process => process.Kill());
            throw;
        }

        return new LocalCluster(clusterFolder, logFolder, processes, terminal);
    }

    /// <summary>
    /// Waits until every silo has started, answers and has joined, however long the machine takes for it, and says what it waits for.
    /// </summary>
    /// <exception cref="ClientException">A silo ended before, or patience did; the message has its last words and names its
    /// log.</exception>
    public async Task<ClusterClient> Connect(CancellationToken cancellation)
    {
        using var watch = Watch(
            () => silos.Find(static silo => silo.Exited) is { } silo
                ? new ClientException(silo.Refused ? ExitCodes.Refused : ExitCodes.NoCluster, LastWords)
                : null,
            cancellation);
        // The client's own assembly loading takes as long as a silo's start: side by side.
        var prepared = Task.Run(() => ClusterClient.Prepare(new RegistrationGateways(folder), patient: true), cancellation);
        await watch.Until(() => $"{string.Join(", ", Missing())} to start", () => Task.FromResult(silos.Count > Missing().Count), Failure);
        var client = await ClusterClient.Open(
            await prepared,
            ["local"],
            watch,
            $"{silos[0].Name} to answer",
            () => Failure("an answer of the silos").Message);
        try
        {
            await watch.Until(() => $"{string.Join(", ", Missing())} to start", () => Task.FromResult(Missing().Count == 0), Failure);
            var joined = 0;
            // A silo joins a moment after it accepts clients; plans are to be made over all of them. Any run's coordinator tells the
            // members.
            await watch.Until(() => $"all silos to join ({joined} of {silos.Count} have)", async () =>
            {
                try
                {
                    joined = (await client.Grains.GetGrain<IClusterGrain>(0).Silos()).Count(static silo => silo.State == "Active");
                }
                catch (Exception error) when (StartWatch.IsPassing(error))
                {
                    // Asked again.
                }

                return joined >= silos.Count;
            }, Failure);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a call until it is answered, as long as there is a silo.</summary>
    public async Task<T> Answered<T>(string what, Func<Task<T>> call, CancellationToken cancellation)
    {
        using var watch = Watch(() => AllExited ? new ClientException(ExitCodes.NoCluster, LastWords) : null, cancellation);
        return await watch.Answered(what, call, Failure);
    }

    /// <summary>Ends the silos: standard input closed, then SIGTERM, then SIGKILL.</summary>
    public async Task End(TimeSpan patience)
    {
        if (ended) return;
        ended = true;
        silos.ForEach(static silo => silo.AskToEnd());
        if (!await AllEnded(patience))
        {
            silos.ForEach(static silo => silo.Terminate());
            if (!await AllEnded(ClusterTimes.Current.SiloTerminated))
            {
                terminal.Note("a silo does not end; killing it");
                silos.ForEach(static silo => silo.Kill());
                await AllEnded(ClusterTimes.Current.SiloTerminated);
            }
        }

        silos.ForEach(static silo => silo.Dispose());
    }

    public async ValueTask DisposeAsync() => await End(ClusterTimes.Current.SiloEnd);

    private StartWatch Watch(Func<ClientException?> lost, CancellationToken cancellation) =>
        new(terminal, ClusterTimes.Current.LocalStart, ClusterTimes.Current, TimeProvider.System, lost, cancellation);

    private List<string> Missing()
    {
        var registered = SiloRegistration.ReadAll(folder).Select(static silo => silo.Name).ToHashSet(StringComparer.Ordinal);
        return [.. silos.Select(static silo => silo.Name).Where(name => !registered.Contains(name))];
    }

    private ClientException Failure(string what) => new(ExitCodes.NoCluster,
        $"waited {ClusterTimes.Current.LocalStart.TotalSeconds:0} s for {what}; "
        + $"the silos' logs are in {logs}, the last words of {silos[0].Name}:\n" + silos[0].LastWords());

    private async Task<bool> AllEnded(TimeSpan patience)
    {
        try
        {
            await Task.WhenAll(silos.Select(static silo => silo.Ended)).WaitAsync(patience);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
