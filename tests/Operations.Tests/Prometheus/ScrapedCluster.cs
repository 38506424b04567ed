using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>
/// Three silos under a real Prometheus: a Hybrid run over two of them with the third standing by, and a unitary one beside it; one silo is
/// killed, and started again.
/// </summary>
public sealed class ScrapedCluster : IAsyncLifetime
{
    private readonly List<IDisposable> started = [];
    private SiloCluster cluster = null!;

    /// <summary>The Prometheus that scrapes it.</summary>
    internal PrometheusServer Prometheus { get; private set; } = null!;

    /// <summary>When the first run began, Unix seconds.</summary>
    internal double Began { get; private set; }

    /// <summary>The Hybrid run.</summary>
    internal EndlessRun Run { get; private set; } = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        cluster = Started(new SiloCluster());
        var node = Started(new NodeExporter());
        var gpus = Started(new RecordedGpus());
        Prometheus = Started(await PrometheusServer.Start(
            cluster.Folder, AlertRules.Promtool, ("node", node.Address), ("dcgm", gpus.Address)));
        await Task.WhenAll(Start("silo-0"), Start("silo-1"), Start("silo-2"));
        Began = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        string[] settings =
            ["elastic.max_silos=2", "data.validation={ fraction: 0.1 }", "training.validate_every=5", "snapshots.every=5"];
        Run = cluster.Run("hybrid", "hybrid", settings);
        var unitary = cluster.Run("unitary", "{ name: urnn, urnn: { kind: dense } }", settings);
        await Run.Reached(6);
        await unitary.Reached(2);
        await Lose("silo-1");
    }

    /// <summary>Kills a silo; the run goes on, and then with a new one of that name in the cluster.</summary>
    internal async Task Lose(string name)
    {
        await cluster.Kill(name);
        await Run.MoreSteps(3);
        await Start(name);
        await Run.MoreSteps(3);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        foreach (var one in Enumerable.Reverse(started)) one.Dispose();
        return ValueTask.CompletedTask;
    }

    private Task Start(string name) => cluster.Start(name, "--peak-gflops", "50");

    private T Started<T>(T one)
        where T : IDisposable
    {
        started.Add(one);
        return one;
    }
}
