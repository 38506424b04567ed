using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;

namespace Peft.Orleans.Grains.Agents;

/// <summary>What this silo holds of runs: it is told to a term that fences it, described, written to files, and dropped.</summary>
internal sealed partial class Holdings(AgentStore store, IBatchSource batches, ILocalSiloDetails details, ILogger<Holdings> log)
{
    private PlannedSilo Self => new(store.Identity.Name, details.SiloAddress.ToParsableString(), store.Transport.Endpoint);

    /// <summary>Everything below the term is refused from now on; the answer is what the term begins with.</summary>
    internal FenceReply Fence(string runId, Term term)
    {
        var run = store.Run(runId);
        // Device work of lower terms may still be running; it can store nothing any more, since results are checked under the lock.
        lock (run.Sync)
        {
            var decision = run.Protocol.Fence(term);
            if (decision.Effects.Count > 0)
            {
                store.Transport.Fence(runId, term);
                run.EndTerm();
            }

            return new FenceReply
            {
                Refusal = decision.Accepted ? null : decision.Reason,
                Silo = Self,
                Inventory = new Dictionary<int, int[]>(run.Protocol.Inventory),
                Claims = [.. run.Protocol.Claims],
                Records = new Dictionary<int, StepRecord>(run.Records),
                Threads = store.Identity.Threads,
                Loaded = [.. run.Layers.Keys.Order()],
                MemoryBytes = store.Identity.MemoryBytes,
                Seatless = !store.Seats.Open,
                PeakFlops = store.Identity.PeakFlops,
            };
        }
    }

    /// <summary>The silo as it is now.</summary>
    internal AgentReport Describe()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return new AgentReport
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
            Threads = store.Identity.Threads,
            Seatless = !store.Seats.Open,
        };
    }

    /// <summary>Writes a version of every layer that computes here first: each is on several silos.</summary>
    /// <param name="runId">Run.</param>
    /// <param name="term">Term of the message.</param>
    /// <param name="version">Version.</param>
    /// <param name="write">Writes one layer; returns its file's name and hash, an empty name where there is nothing to write.</param>
    internal async Task<FilesReply> Write(
        string runId, Term term, int version, Func<SeatedLayer, LayerVersion, (string File, string Sha256)> write)
    {
        var run = store.Run(runId);
        var layers = run.Protocol.Plan?.FirstLayersOn(store.Identity.Name) ?? [];
        foreach (var layer in layers)
        {
            var decision = run.Decide(protocol => protocol.Compute(term, version + 1, layer));
            if (!decision.Accepted) return new FilesReply { Refusal = decision.Reason };
        }

        var files = await store.Run(DevicePriority.Background, () =>
        {
            var written = new Dictionary<string, string>();
            foreach (var index in layers)
            {
                var layer = run.Layers[index];
                VersionCodec.RequireIntact(layer.Version(version));
                var (file, sha256) = write(layer, layer.Version(version));
                if (file.Length > 0) written[file] = sha256;
            }

            return written;
        });
        return new FilesReply { Files = files };
    }

    /// <summary>The run goes on without this silo.</summary>
    internal Task LeaveOut(string runId, Term term, string reason)
    {
        LogLeftOut(runId, reason);
        return End(runId, term);
    }

    /// <summary>Drops everything of a run, unless a later term has it.</summary>
    internal async Task End(string runId, Term term)
    {
        if (store.Find(runId) is not { } run) return;
        var decision = run.Decide(protocol =>
            term.Supersedes(protocol.Term) || term == protocol.Term ? AgentDecision.Nothing : AgentDecision.Refuse(""));
        if (!decision.Accepted) return;
        run.EndTerm();
        store.Forget(runId);
        batches.Forget(runId);
        await store.Device.Run(DevicePriority.Background, () =>
        {
            foreach (var layer in run.Layers.Values) layer.Dispose();
            foreach (var kept in run.Kept.Values) kept.Dispose();
            run.Layers.Clear();
            run.Kept.Clear();
        });
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "run {RunId} goes on without this silo: {Reason}")]
    private partial void LogLeftOut(string runId, string reason);
}
