using System.Net;
using Orleans.Configuration;
using Orleans.Dashboard;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Grains.Shards;
using Peft.Orleans.Grains.Storage;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Silo.Health;
using Peft.Orleans.Silo.Http;
using Peft.Orleans.Silo.Security;
using Peft.Orleans.Silo.Stores;
using Peft.Orleans.Silo.Telemetry;

namespace Peft.Orleans.Silo;

/// <summary>Puts the silo together and runs it until it is told to stop.</summary>
internal static class SiloHost
{
    /// <summary>Runs a silo until it is told to stop.</summary>
    /// <exception cref="PeftException">
    /// A living silo has its name, or has taken it since; or another version has written the cluster's state.
    /// </exception>
    internal static async Task Run(SiloSettings settings)
    {
        var security = SiloSecurity.Of(settings);
        await using var store = ClusterStore.Of(settings);
        await store.Prepare();
        // Silos that share no folder have no locks in it: of two of one name the later counts.
        using var claim = settings.ClusterFolder.Length > 0 ? NameClaim.Take(settings.ClusterFolder, settings.Name) : null;
        settings = settings with { Name = claim?.Name ?? settings.Name };
        // libtorch loads while the host is being built: both take about a second.
        var torch = Task.Run(() => TorchRuntime.Initialize(settings.Threads));
        var app = Build(settings, store: store, security: security);
        await torch;
        await app.StartAsync();
        var metricsUrl = MetricsUrl(settings);
        if (claim is not null)
        {
            new SiloRegistration(
                claim.Name, Environment.ProcessId, settings.Host, settings.SiloPort, settings.GatewayPort, metricsUrl)
                .Write(settings.ClusterFolder);
        }

        app.Logger.LogInformation(
            "silo {Name} is up: clients on {Host}:{Port}, metrics on {Metrics}",
            settings.Name,
            settings.Host,
            settings.GatewayPort,
            metricsUrl
        );
        if (settings.ExitWithParent)
            _ = ParentWatch.Run(app);
        if (settings.JoinedRun is { } run)
            _ = JoinWatch.Run(app, run);
        var names = app.Services.GetRequiredService<NameWatch>();
        await app.WaitForShutdownAsync();
        if (names.Successor is { } successor)
            throw new PeftException($"silo {settings.Name} was started again at {successor}, and has its name now");
        if (app.Services.GetService<StoreWatch>() is { Lost: true })
            throw new PeftException("the cluster's store has lost what it held; start the silos again, and resume the runs");
    }

    /// <summary>The silo, not yet started.</summary>
    /// <param name="settings">Configuration, with a name.</param>
    /// <param name="replace">Services that take the place of the silo's own.</param>
    /// <param name="store">The cluster's store; null: what the settings name.</param>
    /// <param name="security">Its certificates and tokens; null: as its settings say.</param>
    internal static WebApplication Build(
        SiloSettings settings, Action<IServiceCollection>? replace = null, ClusterStore? store = null, SiloSecurity? security = null)
    {
        security ??= SiloSecurity.Of(settings);
        var name = settings.Name ?? throw new ArgumentException("a silo is built with a name", nameof(settings));
        var builder = WebApplication.CreateSlimBuilder();
        builder
            .Logging.ClearProviders()
            .AddSimpleConsole(static options =>
            {
                options.SingleLine = true;
                options.TimestampFormat = "HH:mm:ss.fff ";
                options.ColorBehavior = Microsoft.Extensions.Logging.Console.LoggerColorBehavior.Disabled;
            });
        builder
            .Logging.AddFilter("Orleans", LogLevel.Warning)
            .AddFilter("Microsoft", LogLevel.Warning)
            .AddFilter("Polly", LogLevel.Warning)
            .AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error)
            .AddFilter("Peft", LogLevel.Information)
            .AddFilter("Peft.Orleans.Grains.Agents.SiloAgent", LogLevel.Warning);
        var access = new HttpAccess(security, settings);
        access.Configure(builder.WebHost);
        access.Configure(builder.Services.AddRouting());
        SiloTelemetry.Add(builder.Services, settings);
        builder
            .Services.AddSingleton(
                new SiloIdentity(
                    name, settings.Threads, MetricsUrl(settings), settings.MemoryBytes, settings.TakesSeats, settings.PeakFlops))
            .AddSingleton(new ClusterStorage(settings.ClusterFolder))
            .AddSingleton(new TcpTransportOptions(settings.Host, settings.DataPort))
            .AddSingleton(new Channels(security.Peers))
            .AddSingleton<ITensorTransport, TcpTensorTransport>()
            .AddSingleton(static _ => new DeviceThread("device"))
            .AddSingleton<AgentStore>()
            .AddSingleton<ISiloAgents, SiloAgents>()
            .AddSingleton<Holdings>()
            .AddSingleton<SeatLoader>()
            .AddSingleton<WeightLoader>()
            .AddSingleton<VersionShipping>()
            .AddSingleton<StepPhases>()
            .AddSingleton<GradientReduction>()
            .AddSingleton<ILifecycleParticipant<ISiloLifecycle>, CoordinatorNews>()
            .AddSingleton<IBatchSource>(static services => new BatchSource(
                (run, key) => services.GetRequiredService<IGrainFactory>().GetGrain<IDatasetGrain>(run).Get(key)))
            .AddSingleton<PeerWatch>()
            .AddSingleton<ClusterReach>()
            .AddSingleton<ICoordinatorObserver, SilentObserver>()
            .AddSingleton<Coordination>()
            .AddSingleton<ClusterRoster>()
            .AddSingleton<ClusterView>()
            .AddSingleton<NameWatch>()
            .AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(static services => services.GetRequiredService<NameWatch>())
            .AddSiloHealth()
            .AddSingleton(new WallClock(TimeProvider.System))
            .AddSingleton<TimeProvider>(static services => new SteadyClock(services.GetRequiredService<WallClock>().Time));
        builder.Host.UseOrleans(silo =>
        {
            Configure(silo, settings, store ?? ClusterStore.Of(settings));
            security.Configure(silo);
            if (settings.Dashboard) silo.AddDashboard();
        });
        replace?.Invoke(builder.Services);
        var app = builder.Build();
        security.TellTo(app.Logger);
        SiloEndpoints.Map(app, access, settings.Dashboard);
        SiloTelemetry.Begin(app.Services, settings);
        return app;
    }

    private static string MetricsUrl(SiloSettings settings)
    {
        var everywhere = IPAddress.Parse(settings.HttpHost) is var host && (host.Equals(IPAddress.Any) || host.Equals(IPAddress.IPv6Any));
        var place = new Core.Endpoint(everywhere ? settings.Host : settings.HttpHost, settings.HttpPort);
        return $"{(settings.TlsCertificate is null ? "http" : "https")}://{place}/metrics";
    }

    private static void Configure(ISiloBuilder silo, SiloSettings settings, ClusterStore store)
    {
        var address = IPAddress.Parse(settings.Host);
        silo.Configure<ClusterOptions>(static options =>
        {
            options.ClusterId = ClusterIdentity.ClusterId;
            options.ServiceId = ClusterIdentity.ServiceId;
        });
        silo.Configure<SiloOptions>(options => options.SiloName = settings.Name!);
        silo.Configure<EndpointOptions>(options =>
        {
            options.AdvertisedIPAddress = address;
            options.SiloPort = settings.SiloPort;
            options.GatewayPort = settings.GatewayPort;
            options.SiloListeningEndpoint = new IPEndPoint(address, settings.SiloPort);
            options.GatewayListeningEndpoint = new IPEndPoint(address, settings.GatewayPort);
        });
        silo.Configure<ClusterMembershipOptions>(static options =>
        {
            // A crashed silo is noticed within about a second and a hung one within four; the defaults take 12 and 60.
            options.ProbeTimeout = ClusterTimes.Current.Probe;
            options.MinProbeTimeout = ClusterTimes.Current.Probe / 2;
            options.MaxProbeTimeout = ClusterTimes.Current.Probe * 2;
            options.NumMissedProbesLimit = ClusterTimes.Current.ProbesMissed;
            // One that was evicted across a cut is told by nobody: it reads so itself, by default once a minute only.
            options.TableRefreshTimeout = ClusterTimes.Current.MembershipRefresh;
            // Where all silos died, those that come next wait until three of these are missing; the default takes 90 seconds.
            options.IAmAliveTablePublishTimeout = ClusterTimes.Current.MembershipRefresh;
            // Compares one machine's time of day with another's: a silo that joins after a clock was set would be evicted for it.
            options.EvictWhenMaxJoinAttemptTimeExceeded = false;
        });
        silo.AddStore(store, settings.Store);
        if (SiloTelemetry.TracesOrleans(settings)) silo.AddActivityPropagation();
        silo.AddGrainService<SiloAgent>();
        silo.AddSeatPlacement();
#pragma warning disable ORLEANSEXP003 // strongly consistent directory: no duplicate coordinators, no deactivation by a dead directory owner
        silo.AddDistributedGrainDirectory();
        // By default a dead silo's part of the directory is closed for half a minute, so that no grain lives twice. Here a second life does
        // no harm: terms fence it.
        silo.Configure<GrainDirectoryOptions>(static options => options.RangeLeaseDuration = TimeSpan.Zero);
#pragma warning restore ORLEANSEXP003
    }
}
