using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Silo;

namespace Peft.Orleans.Benchmarks;

/// <summary>A real run on two silos of its own, whose coordinator waits for leave before every step.</summary>
internal sealed class PacedRun : IAsyncDisposable
{
    private const string Id = "paced";

    private readonly string folder = Directory.CreateTempSubdirectory("paced").FullName;
    private readonly List<WebApplication> silos = [];
    private readonly Gate gate = new();

    internal static async Task<PacedRun> Start(BenchmarkOptions options, string method, bool protect)
    {
        var run = new PacedRun();
        for (var i = 0; i < 2; i++)
        {
            string[] arguments =
            [
                SiloArguments.ClusterFolder, Path.Combine(run.folder, "cluster"),
                SiloArguments.Name, $"silo-{i}",
                SiloArguments.Threads, $"{options.Threads}",
            ];
            var silo = SiloHost.Build(SiloSettings.Read(arguments), services => services.AddSingleton<ICoordinatorObserver>(run.gate));
            run.silos.Add(silo);
            await silo.StartAsync();
        }

        var data = Path.Combine(run.folder, "train.jsonl");
        var ids = options.Batch().InputIds;
        await File.WriteAllLinesAsync(data, Enumerable.Range(0, 8).Select(i => ids.Skip(i).Concat(ids.Take(i)))
            .Select(static turned => JsonSerializer.Serialize(new { input_ids = turned, labels = turned })));
        var spec = options.Spec(method);
        spec = spec with
        {
            Data = new DataSpec
            {
                Train = new DataSource { Path = data, Format = DataFormat.Tokens },
                MaxLength = options.Tokens,
                MaskPrompt = false,
            },
            Training = spec.Training with { GlobalBatch = 2, Microbatch = 1 },
            Compute = spec.Compute with { Replicas = 1 },
            Snapshots = new SnapshotSpec { Every = 0 },
            Elastic = new ElasticSpec { Protect = protect },
        };
        var grain = run.silos[0].Services.GetRequiredService<IGrainFactory>().GetGrain<IRunGrain>(Id);
        await grain.Start(new RunRequest(Id, Path.Combine(run.folder, "run"), RunFile.Write(spec), Resume: false));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!run.gate.Waiting)
        {
            await timer.WaitForNextTickAsync();
            if (await grain.GetStatus() is { State: RunState.Failed } failed) throw new InvalidOperationException(failed.Message);
        }

        return run;
    }

    /// <summary>Lets the run make steps; ends when the last of them is stable.</summary>
    internal Task Block(int steps) => gate.Open(steps);

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in Enumerable.Reverse(silos))
        {
            await silo.StopAsync();
            await silo.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    private sealed class Gate : ICoordinatorObserver
    {
        private readonly SemaphoreSlim leave = new(0);
        private int last;
        private int wanted = int.MaxValue;
        private TaskCompletionSource stable = new();

        /// <summary>Whether a step is asked for.</summary>
        internal bool Waiting { get; private set; }

        internal async Task Open(int steps)
        {
            stable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            wanted = last + steps;
            leave.Release(steps);
            await stable.Task;
            last += steps;
        }

        public async ValueTask Carrying(string runId, CoordinatorEffect effect)
        {
            if (effect is CoordinatorEffect.ComputeGradients)
            {
                Waiting = true;
                await leave.WaitAsync();
            }
            else if (effect is CoordinatorEffect.Report report && report.Step == wanted) stable.TrySetResult();
        }
    }
}
