using System.Globalization;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// A cluster of silo processes on this machine, without a server: membership and state are SQLite files in a folder. The silos end with this object, and with this
/// process however it ends. A silo that dies is not started again; the run goes on with the others.
/// </summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(25);

    private readonly string _folder;
    private readonly List<SiloProcess> _silos;
    private readonly Terminal _terminal;
    private bool _ended;

    private LocalCluster(string folder, List<SiloProcess> silos, Terminal terminal)
    {
        _folder = folder;
        _silos = silos;
        _terminal = terminal;
    }

    /// <summary>Whether no silo is left.</summary>
    public bool AllExited => _silos.TrueForAll(static silo => silo.Exited);

    /// <summary>Completes when no silo is left.</summary>
    public Task AllEndedAsync => Task.WhenAll(_silos.Select(static silo => silo.Ended));

    /// <summary>The end of the first silo that ended, for an error message.</summary>
    public string LastWords => _silos.Find(static silo => silo.Exited) is { } silo ? $"{silo.Name} has ended; its last words:\n{silo.LastWords()}" : "";

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

        return new LocalCluster(clusterFolder, processes, terminal);
    }

    /// <summary>Waits until every silo accepts clients, and connects.</summary>
    /// <exception cref="ClientException">A silo ended before; its last words are in the message.</exception>
    public async Task<ClusterClient> Connect(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(StartPatience);
        // The client's own assembly loading takes as long as a silo's start: side by side.
        var prepared = Task.Run(() => ClusterClient.Prepare(new RegistrationGateways(_folder)), cancellation);
        try
        {
            await Registered(1, limit.Token);
            var client = await ClusterClient.Open(await prepared, ["local"], "the silos started but do not answer; see their logs", cancellation);
            await Registered(_silos.Count, limit.Token);
            return client;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ClientException(ExitCodes.NoCluster, $"the silos did not come up within {StartPatience.TotalSeconds:0} s; last words of {_silos[0].Name}:\n{_silos[0].LastWords()}");
        }
    }

    /// <summary>Ends the silos: standard input closed, then SIGTERM, then SIGKILL.</summary>
    public async Task End(TimeSpan patience)
    {
        if (_ended) return;
        _ended = true;
        _silos.ForEach(static silo => silo.AskToEnd());
        if (!await AllEnded(patience))
        {
            _silos.ForEach(static silo => silo.Terminate());
            if (!await AllEnded(TimeSpan.FromSeconds(5)))
            {
                _terminal.Note("a silo does not end; killing it");
                _silos.ForEach(static silo => silo.Kill());
                await AllEnded(TimeSpan.FromSeconds(5));
            }
        }

        _silos.ForEach(static silo => silo.Dispose());
    }

    public async ValueTask DisposeAsync() => await End(TimeSpan.FromSeconds(15));

    private async Task Registered(int count, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Poll);
        while (SiloRegistration.ReadAll(_folder).Count < count)
        {
            if (_silos.Exists(static silo => silo.Exited)) throw new ClientException(ExitCodes.NoCluster, LastWords);
            await timer.WaitForNextTickAsync(cancellation);
        }
    }

    private async Task<bool> AllEnded(TimeSpan patience)
    {
        try
        {
            await Task.WhenAll(_silos.Select(static silo => silo.Ended)).WaitAsync(patience);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
