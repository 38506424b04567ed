using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Silo.Tests;

/// <summary>Real silos in the test's own process, so that their services can be replaced; they talk over real sockets and files.</summary>
internal sealed class InProcessSilos : IAsyncDisposable
{
    private static readonly string Model = Path.Combine(SharedFolder.RepositoryRoot, "examples", "tiny-llama");

    private readonly List<WebApplication> silos = [];

    internal string Folder { get; } = Directory.CreateTempSubdirectory("peft-silos").FullName;

    internal IGrainFactory Grains => silos[0].Services.GetRequiredService<IGrainFactory>();

    /// <summary>Whether silos end without shutting down.</summary>
    internal bool EndsAtOnce { get; set; }

    internal IServiceProvider Services(int silo) => silos[silo].Services;

    internal static async Task<InProcessSilos> Start(int count, Action<IServiceCollection> replace)
    {
        TorchRuntime.Initialize(1);
        var cluster = new InProcessSilos();
        for (var i = 0; i < count; i++)
        {
            var settings = SiloSettings.Read([
                SiloArguments.ClusterFolder,
                Path.Combine(cluster.Folder, "cluster"),
                SiloArguments.Name,
                $"silo-{i}",
                SiloArguments.Threads,
                "1",
            ]);
            var silo = SiloHost.Build(settings, services =>
            {
                // All silos are this process: none can be lost, however busy the machine, and one declared dead would end the tests with
                // it.
                services.PostConfigure<ClusterMembershipOptions>(static options => options.NumMissedProbesLimit = 1000);
                replace(services);
            });
            cluster.silos.Add(silo);
            await silo.StartAsync();
        }

        return cluster;
    }

    /// <summary>Makes a small run to its end, asking after it as a client does, and returns how it ended.</summary>
    internal async Task<RunStatus> Run(
        string id,
        int steps,
        string replicas = "1",
        string? model = null,
        string method = "{ name: lora, lora: { rank: 4, alpha: 8 } }",
        string batch = "global_batch: 3, microbatch: 1",
        SiloAddress? coordinator = null)
    {
        var data = Path.Combine(SharedFolder.RepositoryRoot, "examples", "problems", "train.jsonl");
        var spec = RunFile.Parse(string.Create(CultureInfo.InvariantCulture, $$"""
            name: small
            model: { path: {{model ?? Model}} }
            data: { train: { path: {{data}}, format: completion }, max_length: 160 }
            method: {{method}}
            training: { steps: {{steps}}, {{batch}} }
            snapshots: { every: 0 }
            compute: { threads_per_silo: 1, replicas: {{replicas}}, products: float32 }
            """), "run.yaml");
        var run = Grains.GetGrain<IRunGrain>(id);
        if (coordinator is not null) RequestContext.Set(IPlacementDirector.PlacementHintKey, coordinator);
        await run.Start(new RunRequest(id, Path.Combine(Folder, "runs", id), RunFile.Write(spec), Resume: false));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        RunStatus status;
        do
        {
            await timer.WaitForNextTickAsync(Patience.Token);
            status = await run.GetStatus();
        }
        while (status.State is not (RunState.Completed or RunState.Failed or RunState.Stopped));
        return status;
    }

    internal string[] Losses(string id) => [.. File.ReadAllLines(Path.Combine(Folder, "runs", id, "metrics.jsonl")).Select(static line =>
    {
        using var document = System.Text.Json.JsonDocument.Parse(line);
        return $"{document.RootElement.GetProperty("step").GetInt32()}: {document.RootElement.GetProperty("loss").GetDouble():R}";
    })];

    /// <summary>Details of a run's events of a name.</summary>
    internal System.Text.Json.JsonElement[] Events(string id, string name) =>
        [.. File.ReadAllLines(Path.Combine(Folder, "runs", id, "events.jsonl"))
            .Select(static line => System.Text.Json.JsonDocument.Parse(line).RootElement)
            .Where(line => line.GetProperty("event").GetString() == name)
            .Select(static line => line.GetProperty("details"))];

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in Enumerable.Reverse(silos))
        {
            // One that was declared dead, and goes on only because its process does, has nobody to say goodbye to.
            await silo.StopAsync(new CancellationToken(canceled: EndsAtOnce));
            await silo.DisposeAsync();
        }

        Directory.Delete(Folder, recursive: true);
    }
}
