using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>The agent of a silo, without layers: the real protocol decides, and every version it would hold is said to be held.</summary>
internal sealed class FakeSilo(FakeSilos silos, string name, SiloAddress address) : ISiloAgent
{
    private readonly AgentProtocol protocol = new(name);
    private readonly Dictionary<int, StepRecord> records = [];
    private SeatPlan? plan;

    internal string Name => name;

    internal SiloAddress Address => address;

    /// <summary>What it says it holds; null: what its protocol knows of.</summary>
    internal Dictionary<int, int[]>? Inventory { get; set; }

    /// <summary>What it computes with; runs of these tests with none.</summary>
    internal int Threads { get; set; }

    /// <summary>Whether it takes no seats.</summary>
    internal bool Seatless { get; set; }

    private PlannedSilo Planned => new(name, address.ToParsableString(), new Endpoint(name, 1));

    public Task<FenceReply> Fence(string runId, Term term) => Say(nameof(Fence), 0, () =>
    {
        var decision = protocol.Fence(term);
        return new FenceReply
        {
            Refusal = decision.Accepted ? null : decision.Reason,
            Silo = Planned,
            Inventory = Inventory ?? new Dictionary<int, int[]>(protocol.Inventory),
            Claims = [.. protocol.Claims],
            Records = new Dictionary<int, StepRecord>(records),
            MemoryBytes = long.MaxValue / 8,
            Threads = Threads,
            Seatless = Seatless,
        };
    });

    public Task<StartReply> Start(StartMessage message) => Say(nameof(Start), message.Target, () =>
    {
        plan = message.Plan;
        var decision = protocol.Start(message.Term, message.Plan, message.Target);
        if (!decision.Accepted) return new StartReply { Refusal = decision.Reason };
        if (message.Target > 0 || message.Holders.Count > 0) Hold(message.Term, message.Plan.LayersOn(name), message.Target);
        return new StartReply { LacksVersion = protocol.Phase != AgentPhase.Started };
    });

    public Task<VersionsReply> Initialize(string runId, Term term, int pass) => Say(nameof(Initialize), 0, () =>
    {
        Hold(term, plan!.FirstLayersOn(name), 0);
        return new VersionsReply();
    });

    public Task<PrepareReply> Prepare(string runId, Term term, int step) => Say(nameof(Prepare), step, () => new PrepareReply
    {
        Refusal = protocol.Prepare(term, step) is { Accepted: false } refused ? refused.Reason : null,
        Measures = plan!.ActiveLayersOn(name).ToDictionary(static layer => layer, static _ => new LayerMeasure(1, [], [])),
        ComputeSeconds = 1,
    });

    public Task<VersionsReply> Apply(ApplyMessage message) => Say(nameof(Apply), message.Step, () =>
    {
        var decision = protocol.Apply(message.Term, message.Step);
        if (!decision.Accepted) return new VersionsReply { Refusal = decision.Reason };
        records[message.Step] = message.Record;
        var hashes = new Dictionary<int, string>();
        foreach (var layer in plan!.ActiveLayersOn(name).Where(layer => !protocol.Holds(layer, message.Step)))
        {
            hashes[layer] = silos.Hash(name, layer, message.Step);
            protocol.Held(message.Term, layer, message.Step, hashes[layer]);
        }

        return new VersionsReply { Hashes = hashes };
    });

    public async Task<VersionsReply> Protect(string runId, Term term, int version)
    {
        var decision = await Say(nameof(Protect), version, () => protocol.Protect(term, version));
        if (!decision.Accepted) return new VersionsReply { Refusal = decision.Reason };
        foreach (var copies in decision.Effects.OfType<AgentEffect.SendCopies>())
        {
            foreach (var silo in copies.Silos)
                await silos.At(SiloAddress.FromParsableString(plan!.Silo(silo).Incarnation)).Put(Put(copies.Layer));
        }

        return new VersionsReply();

        PutMessage Put(int layer) => new(runId, term, [new VersionTransfer(layer, version, [], [], "")]);
    }

    public Task<VersionsReply> Put(PutMessage message) => Say(nameof(Put), message.Versions[0].Version, () =>
    {
        foreach (var version in message.Versions) Hold(message.Term, [version.Layer], version.Version);
        return new VersionsReply();
    });

    public Task<DoneReply> Reduce(ReduceMessage message) => Say(nameof(Reduce), message.Step, static () => new DoneReply());

    public Task<SumsReply> SendSums(SendSumsMessage message) => Task.FromResult(new SumsReply());

    public Task<DoneReply> TakeSums(TakeSumsMessage message) => Task.FromResult(new DoneReply());

    public Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target) => Task.FromResult(new SendReply());

    public Task Preload(RunDefinition run, int[] layers) => Say(nameof(Preload), 0, static () => 0);

    public Task<FilesReply> WriteSnapshot(string runId, Term term, int version, string folder) =>
        Say(nameof(WriteSnapshot), version, () => new FilesReply { Files = Write(folder) });

    public Task<FilesReply> WriteAdapter(string runId, Term term, int version, string folder) =>
        Say(nameof(WriteAdapter), version, () => new FilesReply { Files = Write(folder) });

    public Task End(string runId, Term term) => Say(nameof(End), 0, static () => 0);

    public Task LeaveOut(string runId, Term term, string reason) => Say(nameof(LeaveOut), 0, static () => 0);

    public Task<string[]> Unreachable(PlannedSilo[] others) => Task.FromResult<string[]>([]);

    public Task<AgentReport> Describe() =>
        Say(nameof(Describe), 0, () => new AgentReport
        {
            Pid = 1,
            Silo = Planned,
            MemoryBytes = long.MaxValue / 8,
            PeakResidentBytes = 7,
            Threads = Threads,
            Seatless = Seatless,
        });

    private Dictionary<string, string> Write(string folder)
    {
        var files = new Dictionary<string, string>();
        foreach (var layer in plan!.FirstLayersOn(name))
        {
            var file = RunFolder.LayerFile(layer);
            var path = Path.Combine(folder, file);
            SafeTensorsWriter.Write(
                path,
                [new SafeTensorsTensor($"layer.{layer}", SafeTensorsType.F32, [1], static stream => stream.Write(new byte[4]))]
            );
            files[file] = FileHash.Of(path);
        }

        return files;
    }

    private void Hold(Term term, int[] layers, int version)
    {
        foreach (var layer in layers) protocol.Held(term, layer, version);
    }

    private Task<T> Say<T>(string message, int step, Func<T> answer)
    {
        try
        {
            silos.Before(this, message, step);
            if (silos.Silent == name) return new TaskCompletionSource<T>().Task;
            return Task.FromResult(answer());
        }
        catch (Exception error)
        {
            return Task.FromException<T>(error);
        }
    }
}
