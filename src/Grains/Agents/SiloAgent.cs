using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// The agent of this silo: relays the protocol's phases to the store. A grain service, hence outside the grain directory: it lives and dies
/// with its silo, and so does the state it owns.
/// </summary>
[Reentrant]
public sealed partial class SiloAgent(
    GrainId id, Silo silo, ILoggerFactory loggers, AgentStore store, SeatLoader seats, WeightLoader weights, VersionShipping shipping,
    GradientReduction reduction, PeerWatch peers, ILocalSiloDetails details,
    IClusterMembershipService membership, IGrainFactory grains)
    : GrainService(id, silo, loggers), ISiloAgent
{
    private readonly ILogger log = loggers.CreateLogger<SiloAgent>();
    private readonly CancellationTokenSource stopping = new();

    /// <inheritdoc/>
    public override Task Start()
    {
        _ = WakeCoordinators();
        return base.Start();
    }

    /// <inheritdoc/>
    public override Task Stop()
    {
        stopping.Cancel();
        peers.Dispose();
        return base.Stop();
    }

    /// <inheritdoc/>
    public Task<FenceReply> Fence(string runId, Term term)
    {
        var run = store.Run(runId);
        AgentDecision decision;
        FenceReply reply;
        lock (run.Sync)
        {
            decision = run.Protocol.Fence(term);
            if (decision.Effects.Count > 0)
            {
                store.Transport.Fence(runId, term);
                run.EndTerm();
            }

            reply = new FenceReply
            {
                Accepted = decision.Accepted,
                Reason = decision.Reason,
                Highest = run.Protocol.Term,
                Silo = Self,
                Inventory = new Dictionary<int, int[]>(run.Protocol.Inventory),
                Records = new Dictionary<int, string>(run.Records),
                Threads = store.Identity.Threads,
                Loaded = [.. run.Layers.Keys.Order()],
                MemoryBytes = store.Identity.MemoryBytes,
            };
        }

        // Device work of lower terms may still be running; it can store nothing any more, since results are checked under the lock.
        return Task.FromResult(reply);
    }

    /// <inheritdoc/>
    public Task<AgentReply> Start(StartMessage message)
    {
        peers.Follow(message.Plan);
        return seats.Start(store.Run(message.Run.RunId), message);
    }

    /// <inheritdoc/>
    public Task<AgentReply> Initialize(string runId, Term term, int pass) => seats.Initialize(store.Run(runId), term, pass);

    /// <inheritdoc/>
    public async Task<AgentReply> Prepare(string runId, Term term, int step)
    {
        var run = store.Run(runId);
        var decision = run.Decide(protocol => protocol.Prepare(term, step));
        if (!decision.Accepted) return Refused(decision);
        var measures = await store.Device.Run(Kernels.Torch.DevicePriority.Backward, () => StepWork.Measure(run, store.Identity.Name, step));
        return new AgentReply { Accepted = true, Measures = measures, ComputeSeconds = run.TakeComputeSeconds() };
    }

    /// <inheritdoc/>
    public async Task<AgentReply> Apply(ApplyMessage message)
    {
        var run = store.Run(message.RunId);
        await run.Phase.WaitAsync();
        try
        {
            var decision = run.Decide(protocol => protocol.Apply(message.Term, message.Step));
            if (!decision.Accepted) return Refused(decision);
            var hashes = await store.Device.Run(Kernels.Torch.DevicePriority.Backward, () => StepWork.Apply(run, message, decision.Effects));
            return new AgentReply { Accepted = true, Hashes = hashes };
        }
        finally
        {
            run.Phase.Release();
        }
    }

    /// <inheritdoc/>
    public Task<AgentReply> Protect(string runId, Term term, int version) => shipping.Protect(store.Run(runId), term, version);

    /// <inheritdoc/>
    public Task<AgentReply> Put(PutMessage message) => shipping.Put(store.Run(message.RunId), message);

    /// <inheritdoc/>
    public Task<AgentReply> Reduce(ReduceMessage message)
    {
        var run = store.Run(message.RunId);
        return run.Once.Do(message.Term, nameof(Reduce), message.Step, "", () => reduction.Reduce(run, message));
    }

    /// <inheritdoc/>
    public async Task<AgentReply> SendSums(ReduceMessage message) =>
        new() { Accepted = true, Sums = await reduction.Send(store.Run(message.RunId), message, whole: false) };

    /// <inheritdoc/>
    public Task<AgentReply> TakeSums(ReduceMessage message)
    {
        var run = store.Run(message.RunId);
        return run.Once.Do(message.Term, nameof(TakeSums), message.Step, string.Join(',', message.Layers), async () =>
        {
            await reduction.Take(run, message, message.Sums);
            return new AgentReply { Accepted = true };
        });
    }

    /// <inheritdoc/>
    public Task<AgentReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target) =>
        seats.Send(store.Run(runId), term, layers, version, target);

    /// <inheritdoc/>
    public Task Preload(RunDefinition run, int[] layers) => weights.Preload(store.Run(run.RunId), run, layers);

    /// <inheritdoc/>
    public Task<AgentReply> WriteSnapshot(string runId, Term term, int version, string folder) =>
        Write(runId, term, version, (layer, held, record) => StepWork.WriteSnapshot(layer, held, record, folder));

    /// <inheritdoc/>
    public Task<AgentReply> WriteAdapter(string runId, Term term, int version, string folder) =>
        Write(runId, term, version, (layer, held, _) => StepWork.WriteAdapter(layer, held, folder));

    /// <inheritdoc/>
    public async Task End(string runId, Term term)
    {
        var run = store.Find(runId);
        if (run is null || run.Decide(protocol => term.Supersedes(protocol.Term) || term == protocol.Term ? AgentDecision.Nothing : AgentDecision.Refuse("")).Accepted is false) return;
        run.EndTerm();
        store.Forget(runId);
        await store.Device.Run(Kernels.Torch.DevicePriority.Background, () =>
        {
            foreach (var layer in run.Layers.Values) layer.Dispose();
            foreach (var kept in run.Kept.Values) kept.Dispose();
            run.Layers.Clear();
            run.Kept.Clear();
        });
    }

    /// <inheritdoc/>
    public Task<string[]> Unreachable(PlannedSilo[] silos) => Reachability.Unreachable(silos);

    /// <inheritdoc/>
    public Task<AgentReport> Describe()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return Task.FromResult(new AgentReport
        {
            Pid = Environment.ProcessId,
            ResidentBytes = process.WorkingSet64,
            PeakResidentBytes = process.PeakWorkingSet64,
            WeightBytesRead = ShardFactory.WeightBytesRead,
            MetricsUrl = store.Identity.MetricsUrl,
            LiveTensors = torch.Tensor.TotalCount,
            Silo = Self,
            LoadedLayers = store.Runs.ToDictionary(static run => run.RunId, static run => (int[])[.. run.Layers.Keys.Order()]),
            MemoryBytes = store.Identity.MemoryBytes,
        });
    }

    private PlannedSilo Self => new(store.Identity.Name, details.SiloAddress.ToParsableString(), store.Transport.Endpoint);

    private static AgentReply Refused(AgentDecision decision) => new() { Accepted = false, Reason = decision.Reason };

    private async Task<AgentReply> Write(
        string runId, Term term, int version, Func<SeatedLayer, LayerVersion, string, (string File, string Sha256)> write)
    {
        var run = store.Run(runId);
        // Every version is on several silos; the first seat writes it.
        var layers = run.Protocol.Plan?.FirstLayersOn(store.Identity.Name) ?? [];
        foreach (var layer in layers)
        {
            var decision = run.Decide(protocol => protocol.Compute(term, version + 1, layer));
            if (!decision.Accepted) return Refused(decision);
        }

        string? record;
        lock (run.Sync) run.Records.TryGetValue(version, out record);
        var files = await store.Device.Run(Kernels.Torch.DevicePriority.Background, () =>
        {
            var written = new Dictionary<string, string>();
            foreach (var index in layers)
            {
                var layer = run.Layers[index];
                var (file, sha256) = write(layer, layer.Version(version), record ?? "");
                if (file.Length > 0) written[file] = sha256;
            }

            return written;
        });
        return new AgentReply { Accepted = true, Files = files };
    }

    /// <summary>Every membership change wakes the coordinators of the runs held here, wherever they were.</summary>
    private async Task WakeCoordinators()
    {
        try
        {
            await foreach (var change in membership.MembershipUpdates.WithCancellation(stopping.Token))
            {
                LogMembership(change.Version.ToString());
                foreach (var run in store.Runs)
                {
                    if (run.Definition is { Training: true }) _ = grains.GetGrain<IRunGrain>(run.RunId).MembershipChanged();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The silo stops.
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "membership version {Version}")]
    private partial void LogMembership(string version);
}
