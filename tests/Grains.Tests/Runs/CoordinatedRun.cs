using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Grains.Runs;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>A run over silos that compute nothing, in a folder of its own.</summary>
internal sealed class CoordinatedRun : IDisposable
{
    private readonly CancellationTokenSource siloStops = new();

    /// <summary>Makes it.</summary>
    /// <param name="silos">The silos.</param>
    /// <param name="options">Sections of the run file beside name, model, data, method and steps.</param>
    internal CoordinatedRun(FakeSilos silos, string options = "snapshots: { every: 100 }")
    {
        Silos = silos;
        Folder = new RunFolder(Directory.CreateTempSubdirectory("peft-run").FullName);
        var model = Path.Combine(SharedFolder.RepositoryRoot, "examples", "tiny-llama");
        var yaml = $$"""
            name: small
            model: { path: "{{model}}", dtype: float32 }
            data: { train: { path: /nowhere.jsonl, format: tokens }, validation: { fraction: 0.5 }, max_length: 16 }
            method: { name: lora }
            {{options}}
            """;
        if (!options.Contains("compute:", StringComparison.Ordinal)) yaml += "\ncompute: { replicas: 1 }\n";
        if (!options.Contains("training:", StringComparison.Ordinal)) yaml += "\ntraining: { steps: 4, global_batch: 1 }\n";
        Request = new RunRequest("run", Folder.Path, yaml, Resume: false);
        Record.State.Request = Request;
        var spec = RunFile.Parse(yaml, RunFolder.RunFileName);
        Record.State.Run = RunResolver.Resolve(spec, ModelFolder.Open(spec.Model.Path), threads: 0);
        Record.State.Status = new RunStatus { RunId = "run", Folder = Folder.Path, State = RunState.Starting };
        Services = new RunServices(silos, new SilentObserver(), Board, Time, NullLoggerFactory.Instance);
        Loop = new RunLoop(Record, Services, recovering: false, siloStops.Token);
    }

    internal FakeSilos Silos { get; }

    internal RunFolder Folder { get; }

    internal RunRequest Request { get; }

    internal FakeRecord Record { get; } = new();

    internal InstantTime Time { get; } = new();

    /// <summary>Where its figures are read.</summary>
    internal FigureBoard Board { get; } = new("a", TimeProvider.System);

    internal RunServices Services { get; }

    internal RunLoop Loop { get; }

    /// <summary>The figures of the term that was made last.</summary>
    internal RunInstruments Figures { get; private set; } = null!;

    /// <summary>The steps of metrics.jsonl, in the order of its lines.</summary>
    internal int[] Steps => [.. StepLines.ReadAll(File.ReadLines(Folder.Metrics)).Select(static record => record.Step)];

    /// <summary>A term of its own, outside the loop.</summary>
    internal async Task<TermRun> Term() => new(await Context(), Services);

    /// <summary>What is known of the run's first term.</summary>
    internal async Task<TermContext> Context(bool recovering = false)
    {
        var run = Record.State.Run!;
        Figures = new RunInstruments(Board, run, () => Record.State.Status!);
        return new TermContext(
            Request,
            run,
            await Silos.Data.Open(run, Folder.Path),
            new Term(1, Guid.NewGuid()),
            await Silos.Live(),
            recovering,
            new RunProgress(Record.State.Status!),
            Figures,
            default,
            siloStops.Token
        );
    }

    /// <summary>Plans a term for its silos, which have loaded nothing, as its fences would have it.</summary>
    internal static SeatPlan Plan(TermContext term) =>
        term.Plan = RunPlanner.Plan(
            term.Run,
            [
                .. term.Live.Select(static silo => new SiloInventory(
                    new PlannedSilo(silo.Key, silo.Value.ToParsableString(), Endpoint.None),
                    [],
                    long.MaxValue / 8
                )),
            ]
        );

    /// <summary>A first term whose silos have taken their seats.</summary>
    internal async Task<TermContext> Seated()
    {
        var term = await Context();
        var plan = Plan(term);
        foreach (var silo in term.Live.Values)
        {
            await Silos.At(silo).Fence(term.RunId, term.Term);
            await Silos.At(silo).Start(new StartMessage(term.Definition, term.Term, plan, 0, [], null));
        }

        return term;
    }

    /// <summary>Journals of a term of this run.</summary>
    internal RunJournals Journals(TermContext term) => new(term, Disk(term), new FolderCare(term, Time, NullLogger.Instance));

    /// <summary>Patience of a term of this run.</summary>
    internal DiskPatience Disk(TermContext term) => new(term, Time, NullLogger.Instance);

    /// <summary>Details of the events of a name.</summary>
    internal JsonElement[] Events(string name) =>
        [.. Journal.ReadValid(Folder.Events).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.GetProperty("event").GetString() == name)
            .Select(static line => line.GetProperty("details"))];

    /// <summary>The coordinator's silo shuts down.</summary>
    internal void StopSilo() => siloStops.Cancel();

    public void Dispose()
    {
        Board.Dispose();
        Directory.Delete(Folder.Path, recursive: true);
    }

    /// <summary>Runs something as a grain would: one thing at a time, whatever thread it continues on.</summary>
    internal static Task<T> AsGrain<T>(Func<Task<T>> work) =>
        Task.Factory.StartNew(
            work, CancellationToken.None, TaskCreationOptions.None, new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler).Unwrap();

    /// <summary>The same of the run's loop.</summary>
    internal Task<RunStatus> Run() => AsGrain(async () =>
    {
        await Loop.Run();
        return Loop.Status;
    });
}

/// <summary>The durable record, in memory.</summary>
internal sealed class FakeRecord : IPersistentState<RunRecord>
{
    public RunRecord State { get; set; } = new();

    public string Etag => "";

    public bool RecordExists => true;

    /// <summary>States written.</summary>
    internal int Writes { get; private set; }

    public Task ClearStateAsync() => Task.CompletedTask;

    /// <summary>Called before a state is written.</summary>
    internal Action Writing { get; set; } = static () => { };

    /// <summary>What is read; null: what was written last.</summary>
    internal RunRecord? Stored { get; set; }

    public Task ReadStateAsync()
    {
        State = Stored ?? State;
        return Task.CompletedTask;
    }

    public Task WriteStateAsync()
    {
        Writing();
        Writes++;
        return Task.CompletedTask;
    }
}
