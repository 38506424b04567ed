using Orleans.Runtime;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>Silos that answer at once and compute nothing; what they are told may be disturbed.</summary>
internal sealed class FakeSilos : IAgents
{
    private readonly SortedDictionary<string, FakeSilo> live = new(StringComparer.Ordinal);
    private readonly Dictionary<FakeSilo, string> unfit = [];
    private readonly HashSet<SiloAddress> released = [];
    private int lives;

    internal FakeSilos(int steps, params string[] names)
    {
        Data = new FakeDataset(steps);
        foreach (var name in names) Add(name);
    }

    /// <summary>Called before a silo answers a message (its name: Fence, Start …) of a step or version.</summary>
    internal Action<FakeSilo, string, int> Before { get; set; } = static (_, _, _) => { };

    /// <summary>Validation loss of the version whose pass it is.</summary>
    internal Func<int, double> ValidationLoss { get; set; } = static _ => 1;

    /// <summary>A silo that lives and answers no fence.</summary>
    internal string? Silent { get; set; }

    /// <summary>Hash of a layer's version as a silo computes it (silo, layer, version).</summary>
    internal Func<string, int, int, string> Hash { get; set; } = static (_, layer, version) => $"{layer}.{version}";

    /// <summary>Silos that see other training data than the run began with.</summary>
    internal HashSet<string> OtherData { get; } = [];

    /// <summary>The silo where the data set is.</summary>
    internal string DatasetOn { get; private set; } = "a";

    /// <summary>What a step's pass waits for.</summary>
    internal Func<int, Task> Held { get; set; } = static _ => Task.CompletedTask;

    /// <summary>Called before the coordinator is told who lives.</summary>
    internal Action Looked { get; set; } = static () => { };

    internal FakeDataset Data { get; }

    internal List<RunStatus> Reports { get; } = [];

    internal int Mended { get; private set; }

    /// <summary>Passes for the base gradient so far.</summary>
    internal int Estimates { get; set; }

    public IReadOnlyCollection<string> Outside { get; set; } = [];

    public string Self => "a";

    public IDatasetGrain Dataset => Data;

    public IReadOnlyDictionary<string, string> LeftOut => unfit.Where(silo => live.ContainsValue(silo.Key))
        .ToDictionary(static silo => silo.Key.Name, static silo => silo.Value);

    /// <summary>Does something once, before a silo answers a message of a step.</summary>
    internal void Once(string at, int step, Action what)
    {
        var done = false;
        Before = (_, message, of) =>
        {
            if (done || message != at || of != step) return;
            done = true;
            what();
        };
    }

    internal FakeSilo Add(string name) =>
        live[name] = new FakeSilo(this, name, SiloAddress.FromParsableString($"127.0.0.1:{11000 + ++lives}@{lives}"));

    internal bool Lives(string name) => live.ContainsKey(name);

    internal void Lose(string name) => live.Remove(name);

    public Task<SortedDictionary<string, SiloAddress>> Live()
    {
        var found = new SortedDictionary<string, SiloAddress>(StringComparer.Ordinal);
        Looked();
        foreach (var (name, silo) in live.Where(silo => !Outside.Contains(silo.Key) && !unfit.ContainsKey(silo.Value)
            && !released.Contains(silo.Value.Address)))
            found[name] = silo.Address;
        return Task.FromResult(found);
    }

    public Task<DatasetSummary> OpenDataset(ResolvedRun run, string folder, SiloAddress? on = null)
    {
        DatasetOn = on is null ? DatasetOn : live.Values.Single(silo => silo.Address.Equals(on)).Name;
        if (OtherData.Contains(DatasetOn)) throw new UnfitSiloException(DatasetOn, ": data.train.path: another file");
        return Data.Open(run, folder);
    }

    public Task LeaveOut(SiloAddress silo, Term term, UnfitSiloException reason)
    {
        unfit.Add(live.Values.Single(other => other.Address.Equals(silo)), reason.Message);
        return At(silo).LeaveOut("run", term, reason.Message);
    }

    public async Task Evict(SiloAddress silo, Term term, string name, string reason)
    {
        await At(silo).LeaveOut("run", term, reason);
        await Kill(silo);
    }

    public void Release(SiloAddress silo) => released.Add(silo);

    public Task Kill(SiloAddress silo)
    {
        foreach (var gone in live.Values.Where(other => other.Address.Equals(silo)).ToArray()) Lose(gone.Name);
        return Task.CompletedTask;
    }

    public Task<string[]> Mend()
    {
        Mended++;
        return Task.FromResult<string[]>([]);
    }

    public ISiloAgent At(SiloAddress silo) =>
        live.Values.FirstOrDefault(other => other.Address.Equals(silo)) ?? throw new SiloUnavailableException($"{silo} is gone");

    public ILayerShardGrain Shard(SeatKey seat) => new FakeShard(this, seat.Silo);

    internal FakeSilo Silo(string name) =>
        live.TryGetValue(name, out var silo) ? silo : throw new SiloUnavailableException($"silo {name} is gone");

    public Task Report(RunStatus status)
    {
        Reports.Add(status);
        return Task.CompletedTask;
    }
}

/// <summary>The first layer of a chain that computes nothing.</summary>
internal sealed class FakeShard(FakeSilos silos, string silo) : ILayerShardGrain
{
    public async Task<GradientResult> Train(TrainPass pass, int position, TensorRef? input)
    {
        silos.Before(silos.Silo(silo), nameof(Train), pass.Step);
        await silos.Held(pass.Step);
        return new GradientResult(3.0 / pass.Step, null);
    }

    public Task<GradientResult> Estimate(EstimatePass pass, int position, TensorRef? input)
    {
        silos.Estimates++;
        return Task.FromResult(new GradientResult(1, null));
    }

    public Task<LossResult> Loss(LossPass pass, int position, TensorRef? input) =>
        Task.FromResult(new LossResult(silos.ValidationLoss(pass.Version), 1));

    public Task<ScoreResult[]> Score(ScorePass pass, int position, TensorRef? input) => throw new NotSupportedException();

    public Task<int[]> Generate(GeneratePass pass, int position, TensorRef? input) => throw new NotSupportedException();
}

/// <summary>A data set of one microbatch per step.</summary>
internal sealed class FakeDataset(int steps) : IDatasetGrain
{
    internal const int Targets = 3;

    internal int ValidationBatches { get; set; }

    internal int Opened { get; private set; }

    public Task<DatasetSummary> Open(ResolvedRun run, string folder)
    {
        Opened++;
        return Task.FromResult(new DatasetSummary(steps, Samples: steps, Dropped: 0, ValidationBatches, Sha256: ""));
    }

    public Task<BatchOutline[]> OutlineStep(int step) => Task.FromResult<BatchOutline[]>([Batch(step).Outline()]);

    public Task<BatchOutline> OutlineSample(int index) => Task.FromResult(Batch(index).Outline());

    public Task<BatchOutline[]> OutlineValidation() => Task.FromResult<BatchOutline[]>([Batch(0).Outline()]);

    public Task<Microbatch?> Get(BatchKey key) => throw new NotSupportedException("the coordinator reads no ids");

    private static Microbatch Batch(int id) => new()
    {
        Rows = 1,
        Columns = Targets + 1,
        InputIds = [id, 1, 2, 3],
        Labels = [0, 1, 2, 3],
        SampleLengths = [[Targets + 1]],
        ContentHash = $"batch {id}",
    };
}
