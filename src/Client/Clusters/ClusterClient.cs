using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Messaging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>A connection to a cluster's grains.</summary>
internal sealed class ClusterClient : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    private readonly IHost _host;

    private readonly AddressGateways? _gateways;

    private ClusterClient(IHost host, IReadOnlyList<string> addresses)
    {
        _host = host;
        _gateways = host.Services.GetRequiredService<IGatewayListProvider>() as AddressGateways;
        Addresses = addresses;
        Grains = host.Services.GetRequiredService<IGrainFactory>();
    }

    /// <summary>References to grains.</summary>
    public IGrainFactory Grains { get; }

    /// <summary>Where it connects.</summary>
    public IReadOnlyList<string> Addresses { get; }

    /// <summary>Connects to silos by address.</summary>
    public static async Task<ClusterClient> ToAddress(string addresses, CancellationToken cancellation)
    {
        var endpoints = await Gateways.Parse(addresses);
        return await Open(Prepare(new AddressGateways(endpoints)), [.. endpoints.Select(static e => e.ToString())], $"no silo answers at {addresses}; is the cluster running, and its gateway port reachable?", cancellation);
    }

    /// <summary>Connects to the living silos of a run's local cluster.</summary>
    public static async Task<ClusterClient> ToRun(Runs.IndexedRun run, CancellationToken cancellation)
    {
        if (run.Cluster is { } address) return await ToAddress(address, cancellation);
        var living = Runs.RunFolderReader.LivingSilos(run.Folder);
        if (living.Count == 0)
            throw new ClientException(ExitCodes.NoCluster, $"run {run.Id} is not running: no silo of {run.Folder} is alive; see peft-client describe run {run.Id}, or continue it with peft-client resume {run.Id}");
        var endpoints = living.Select(static silo => System.Net.IPEndPoint.Parse($"{silo.Address}:{silo.GatewayPort}")).ToArray();
        return await Open(Prepare(new AddressGateways(endpoints)), [.. endpoints.Select(static e => e.ToString())], $"the silos of run {run.Id} do not answer; see its logs: peft-client logs {run.Id}", cancellation);
    }

    /// <summary>Builds the client without connecting, so that this happens while silos start.</summary>
    public static IHost Prepare(IGatewayListProvider gateways)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.UseOrleansClient(client =>
        {
            client.Configure<ClusterOptions>(static options =>
            {
                options.ClusterId = ClusterIdentity.ClusterId;
                options.ServiceId = ClusterIdentity.ServiceId;
            });
            client.Configure<GatewayOptions>(static options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(1));
            client.Configure<ClientMessagingOptions>(static options => options.ResponseTimeout = TimeSpan.FromSeconds(15));
            client.Services.AddSingleton(gateways);
        });
        return builder.Build();
    }

    /// <summary>Connects a prepared client.</summary>
    public static async Task<ClusterClient> Open(IHost host, IReadOnlyList<string> addresses, string failure, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            await host.StartAsync(limit.Token);
            return new ClusterClient(host, addresses);
        }
        catch (Exception error) when (!cancellation.IsCancellationRequested && error is OrleansException or OperationCanceledException or TimeoutException or System.Net.Sockets.SocketException)
        {
            host.Dispose();
            throw new ClientException(ExitCodes.NoCluster, failure, error);
        }
    }

    /// <summary>An answer did not come: only gateways that accept a connection are used from now on, and of these one after the other.</summary>
    public void DoubtGateways() => _gateways?.Doubt();

    /// <summary>An answer came: the gateways in use are kept.</summary>
    public void TrustGateways() => _gateways?.Trust();

    /// <summary>The status of a run of this cluster.</summary>
    /// <exception cref="ClientException">There is none of that id.</exception>
    public async Task<RunStatus> StatusOf(string runId)
    {
        try
        {
            return await Grains.GetGrain<IRunGrain>(runId).GetStatus();
        }
        catch (PeftException error)
        {
            throw new ClientException(ExitCodes.NotFound, error.Message, error);
        }
    }

    /// <summary>A silo joins a moment after it accepts clients; plans are to be made over all of them.</summary>
    public async Task AllJoined(int silos, CancellationToken cancellation)
    {
        // Any run's coordinator tells the members of the cluster.
        var grain = Grains.GetGrain<IRunGrain>("members");
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while ((await grain.GetSilos()).Count(static silo => silo.State == "Active") < silos) await timer.WaitForNextTickAsync(cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        try
        {
            await _host.StopAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // The silos are gone; there is nobody to say goodbye to.
        }

        _host.Dispose();
    }
}
