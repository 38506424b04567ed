using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Messaging;
using Orleans.Runtime;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Security;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Core.Security;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Client.Clusters;

/// <summary>A connection to a cluster's grains.</summary>
internal sealed class ClusterClient : IAsyncDisposable
{
    private readonly IHost host;

    private readonly AddressGateways? gateways;

    private ClusterClient(IHost host, IReadOnlyList<string> addresses)
    {
        this.host = host;
        gateways = host.Services.GetRequiredService<IGatewayListProvider>() as AddressGateways;
        Addresses = addresses;
        Grains = host.Services.GetRequiredService<IGrainFactory>();
    }

    /// <summary>References to grains.</summary>
    public IGrainFactory Grains { get; }

    /// <summary>Where it connects.</summary>
    public IReadOnlyList<string> Addresses { get; }

    /// <summary>Connects to silos by address.</summary>
    public static async Task<ClusterClient> ToAddress(Terminal terminal, string addresses, CancellationToken cancellation)
    {
        var gateways = await Gateways.Parse(addresses);
        var security = ClientSecurity.Current;
        security.Allow(gateways);
        return await Connect(
            terminal,
            gateways,
            security,
            $"an answer from {addresses}",
            () => $"no silo answers at {addresses}{security.Refusal}; is the cluster running, its gateway port reachable, "
                + "and this client's certificate one that it accepts?",
            cancellation,
            async () =>
            {
                var found = await Gateways.Parse(addresses);
                security.Allow(found);
                return found;
            });
    }

    /// <summary>Connects to silos of this machine that have started.</summary>
    /// <param name="terminal">Where it is said what is being waited for.</param>
    /// <param name="gateways">Their gateways.</param>
    /// <param name="what">What is being waited for.</param>
    /// <param name="failure">What is said when none answers.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static Task<ClusterClient> ToGateways(
        Terminal terminal,
        IReadOnlyList<IPEndPoint> gateways,
        string what,
        string failure,
        CancellationToken cancellation) => Connect(terminal, gateways, security: null, what, () => failure, cancellation);

    /// <summary>Builds the client without connecting, so that this happens while silos start.</summary>
    /// <param name="gateways">Where it may connect.</param>
    /// <param name="patient">Whether a refused connection is tried again: silos that are just starting. An answer that takes long always
    /// is.</param>
    /// <param name="security">How it shows who it is; null: it speaks plainly.</param>
    public static IHost Prepare(IGatewayListProvider gateways, bool patient, ClientSecurity? security = null)
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
            client.Configure<ClientMessagingOptions>(static options => options.ResponseTimeout = ClusterTimes.Current.Call);
            client.UseConnectionRetryFilter(async (error, token) =>
            {
                if (!patient && error is not TimeoutException) return false;
                await Task.Delay(ClusterTimes.Current.RetryFirst, token);
                return true;
            });
            client.AddOutgoingGrainCallFilter(
                new CallLimit(ClusterTimes.Current.Call, ClusterTimes.Current.Answer, TimeProvider.System));
            client.Services.AddSingleton(gateways);
            security?.Configure(client);
        });
        return builder.Build();
    }

    /// <summary>Connects a prepared client.</summary>
    public static async Task<ClusterClient> Open(
        IHost host, IReadOnlyList<string> addresses, StartWatch watch, string what, Func<string> failure)
    {
        using var given = new CancellationTokenSource();
        var starting = host.StartAsync(given.Token);
        try
        {
            await watch.Until(() => what, async () =>
            {
                await starting;
                return true;
            }, _ => new ClientException(ExitCodes.NoCluster, failure()));
            return new ClusterClient(host, addresses);
        }
        catch (Exception error)
        {
            await given.CancelAsync();
            await starting.ContinueWith(static _ => { }, TaskScheduler.Default);
            host.Dispose();
            if (error is OrleansException or TimeoutException or SocketException && error is not PeftException)
                throw new ClientException(ExitCodes.NoCluster, failure(), error);
            throw;
        }
    }

    /// <summary>
    /// Asks until there is an answer: a call that is lost, or that a busy machine leaves without one, is made again, by another gateway.
    /// </summary>
    /// <exception cref="ClientException">The cluster has been silent for as long as <see cref="ClusterTimes.Silence"/>.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted; a call under way may still be heard.</exception>
    public async Task<T> Ask<T>(Func<Task<T>> call, CancellationToken interrupted = default)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await call().WaitAsync(interrupted);
            }
            catch (Exception error) when (StartWatch.IsPassing(error))
            {
                if (TimeProvider.System.GetElapsedTime(begun) > ClusterTimes.Current.Silence)
                {
                    var silence = ClusterTimes.Current.Silence.TotalSeconds;
                    throw new ClientException(
                        ExitCodes.NoCluster, $"no silo at {string.Join(", ", Addresses)} has answered for {silence:0} s", error);
                }

                if (error is TimeoutException) DoubtGateways();
            }

            await Task.Delay(ClusterTimes.Current.RetryFirst, interrupted);
        }
    }

    /// <inheritdoc cref="Ask{T}"/>
    public Task Ask(Func<Task> call, CancellationToken interrupted = default) => Ask(
        async () =>
        {
            await call();
            return true;
        },
        interrupted);

    /// <summary>
    /// An answer did not come: only gateways that accept a connection are used from now on, and of these one after the other.
    /// </summary>
    public void DoubtGateways() => gateways?.Doubt();

    /// <summary>An answer came: the gateways in use are kept.</summary>
    public void TrustGateways() => gateways?.Trust();

    /// <summary>The status of a run of this cluster.</summary>
    /// <exception cref="ClientException">There is none of that id.</exception>
    public async Task<RunStatus> StatusOf(string runId)
    {
        try
        {
            return await Ask(() => Grains.GetGrain<IRunGrain>(runId).GetStatus());
        }
        catch (PeftException error) when (error is not ClientException and not NotAllowedException)
        {
            throw new ClientException(ExitCodes.NotFound, error.Message, error);
        }
    }

    /// <summary>The silos of the cluster, and what each holds of a run.</summary>
    public Task<IReadOnlyList<SiloStatus>> SilosOf(string runId) => Ask(() => Grains.GetGrain<IRunGrain>(runId).GetSilos());

    /// <summary>The silos of the cluster, whatever runs on it.</summary>
    public Task<IReadOnlyList<SiloStatus>> Silos() => Ask(() => Grains.GetGrain<IClusterGrain>(0).Silos());

    /// <summary>Asks a run to stop after the step under way; returns at once.</summary>
    public Task Stop(string runId, bool snapshot) => Ask(() => Grains.GetGrain<IRunGrain>(runId).Stop(snapshot));

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(ClusterTimes.Current.Answer);
        try
        {
            await host.StopAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // The silos are gone; there is nobody to say goodbye to.
        }

        host.Dispose();
    }

    private static async Task<ClusterClient> Connect(
        Terminal terminal,
        IReadOnlyList<IPEndPoint> gateways,
        ClientSecurity? security,
        string what,
        Func<string> failure,
        CancellationToken cancellation,
        Func<Task<IReadOnlyList<IPEndPoint>>>? lookUp = null)
    {
        var host = Prepare(new AddressGateways(gateways, lookUp), patient: false, security);
        var times = ClusterTimes.Current;
        using var watch = new StartWatch(terminal, times.Silence, times, TimeProvider.System, static () => null, cancellation);
        return await Open(host, [.. gateways.Select(static gateway => gateway.ToString())], watch, what, failure);
    }
}
