using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
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
internal sealed partial class SiloAgent(
    GrainId id, Silo silo, ILoggerFactory loggers, AgentStore store, SeatLoader seats, WeightLoader weights, VersionShipping shipping,
    GradientReduction reduction, IBatchSource batches, PeerWatch peers, ILocalSiloDetails details,
    IClusterMembershipService membership, IGrainFactory grains)
    : GrainService(id, silo, loggers), ISiloAgent
{
    private readonly ILogger log = loggers.CreateLogger<SiloAgent>();
    private readonly CancellationTokenSource stopping = new();

    /// <inheritdoc/>
    public override Task Start()
    {
        peers.Silent += TellCoordinators;
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
                Refusal = decision.Accepted ? null : decision.Reason,
                Silo = Self,
                Inventory = new Dictionary<int, int[]>(run.Protocol.Inventory),
                Records = new Dictionary<int, StepRecord>(run.Records),
                Threads = store.Identity.Threads,
                Loaded = [.. run.Layers.Keys.Order()],
                MemoryBytes = store.Identity.MemoryBytes,
            };
        }

        // Device work of lower terms may still be running; it can store nothing any more, since results are checked under the lock.
        return Task.FromResult(reply);
    }

    /// <inheritdoc/>
    public Task<StartReply> Start(StartMessage message)
    {
        peers.Follow(message.Plan);
        return seats.Start(store.Run(message.Run.RunId), message);
    }

    /// <inheritdoc/>
    public Task<VersionsReply> Initialize(string runId, Term term, int pass) => seats.Initialize(store.Run(runId), term, pass);

    /// <inheritdoc/>
    public async Task<PrepareReply> Prepare(string runId, Term term, int step)
    {
        var run = store.Run(runId);
        var decision = run.Decide(protocol => protocol.Prepare(term, step));
        if (!decision.Accepted)
            return new PrepareReply { Refusal = decision.Reason };
        var measures = await store.Device.Run(Kernels.Torch.DevicePriority.Backward, () =>
            StepWork.Measure(run, store.Identity.Name, step)
        );
        return new PrepareReply { Measures = measures, ComputeSeconds = run.TakeComputeSeconds() };
    }

    /// <inheritdoc/>
    public async Task<VersionsReply> Apply(ApplyMessage message)
    {
        var run = store.Run(message.RunId);
        await run.Phase.WaitAsync();
        try
        {
            var decision = run.Decide(protocol => protocol.Apply(message.Term, message.Step));
            if (!decision.Accepted)
                return new VersionsReply { Refusal = decision.Reason };
            var hashes = await store.Device.Run(Kernels.Torch.DevicePriority.Backward, () =>
                StepWork.Apply(run, message, decision.Effects)
            );
            return new VersionsReply { Hashes = hashes };
        }
        finally
        {
            run.Phase.Release();
        }
    }

    /// <inheritdoc/>
    public Task<VersionsReply> Protect(string runId, Term term, int version) => shipping.Protect(store.Run(runId), term, version);

    /// <inheritdoc/>
    public Task<VersionsReply> Put(PutMessage message) => shipping.Put(store.Run(message.RunId), message);

    /// <inheritdoc/>
    public Task<DoneReply> Reduce(ReduceMessage message)
    {
        var run = store.Run(message.RunId);
        return run.Once.Do(message.Term, nameof(Reduce), message.Step, "", () => reduction.Reduce(run, message));
    }

    /// <inheritdoc/>
    public async Task<SumsReply> SendSums(SendSumsMessage message) =>
        new() { Sums = await reduction.Send(store.Run(message.RunId), message, whole: false) };

    /// <inheritdoc/>
    public Task<DoneReply> TakeSums(TakeSumsMessage message)
    {
        var run = store.Run(message.RunId);
        return run.Once.Do(message.Term, nameof(TakeSums), message.Step, string.Join(',', message.Layers), async () =>
        {
            await reduction.Take(run, message);
            return new DoneReply();
        });
    }

    /// <inheritdoc/>
    public Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target) =>
        seats.Send(store.Run(runId), term, layers, version, target);

    /// <inheritdoc/>
    public Task Preload(RunDefinition run, int[] layers) => weights.Preload(store.Run(run.RunId), run, layers);

    /// <inheritdoc/>
    public Task<FilesReply> WriteSnapshot(string runId, Term term, int version, string folder) =>
        Write(runId, term, version, (layer, held) => StepWork.WriteSnapshot(layer, held, folder));

    /// <inheritdoc/>
    public Task<FilesReply> WriteAdapter(string runId, Term term, int version, string folder) =>
        Write(runId, term, version, (layer, held) => StepWork.WriteAdapter(layer, held, folder));

    /// <inheritdoc/>
    public async Task End(string runId, Term term)
    {
        var run = store.Find(runId);
        if (
            run is null
            || run.Decide(protocol =>
                term.Supersedes(protocol.Term) || term == protocol.Term ? AgentDecision.Nothing : AgentDecision.Refuse("")
            ).Accepted
                is false
        )
            return;
        run.EndTerm();
        store.Forget(runId);
        batches.Forget(runId);
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

    private async Task<FilesReply> Write(
        string runId, Term term, int version, Func<SeatedLayer, LayerVersion, (string File, string Sha256)> write)
    {
        var run = store.Run(runId);
        // Every version is on several silos; the first seat writes it.
        var layers = run.Protocol.Plan?.FirstLayersOn(store.Identity.Name) ?? [];
        foreach (var layer in layers)
        {
            var decision = run.Decide(protocol => protocol.Compute(term, version + 1, layer));
            if (!decision.Accepted) return new FilesReply { Refusal = decision.Reason };
        }

        var files = await store.Device.Run(Kernels.Torch.DevicePriority.Background, () =>
        {
            var written = new Dictionary<string, string>();
            foreach (var index in layers)
            {
                var layer = run.Layers[index];
                var (file, sha256) = write(layer, layer.Version(version));
                if (file.Length > 0) written[file] = sha256;
            }

            return written;
        });
        return new FilesReply { Files = files };
    }

    /// <summary>The coordinators of the runs held here ask all silos whom they reach.</summary>
    private void TellCoordinators(string silent)
    {
        foreach (var run in store.TrainingRuns) grains.GetGrain<IRunGrain>(run).PeerUnreachable(store.Identity.Name, silent).Ignore();
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
