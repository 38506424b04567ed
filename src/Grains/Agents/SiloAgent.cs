using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// The agent of this silo: hands each message of the protocol to what carries it out. A grain service, hence outside the grain directory:
/// it lives and dies with its silo, and so does the state it stands for.
/// </summary>
[Reentrant]
internal sealed class SiloAgent(
    GrainId id, Silo silo, ILoggerFactory loggers, Holdings holdings, SeatLoader seats, StepPhases phases, VersionShipping shipping)
    : GrainService(id, silo, loggers), ISiloAgent
{
    /// <inheritdoc/>
    public Task<FenceReply> Fence(string runId, Term term) => Task.FromResult(holdings.Fence(runId, term));

    /// <inheritdoc/>
    public Task<StartReply> Start(StartMessage message) => seats.Start(message);

    /// <inheritdoc/>
    public Task<VersionsReply> Initialize(string runId, Term term, int pass) => seats.Initialize(runId, term, pass);

    /// <inheritdoc/>
    public Task Preload(RunDefinition run, int[] layers) => seats.Preload(run, layers);

    /// <inheritdoc/>
    public Task<DoneReply> Reduce(ReduceMessage message) => phases.Reduce(message);

    /// <inheritdoc/>
    public Task<SumsReply> SendSums(SendSumsMessage message) => phases.SendSums(message);

    /// <inheritdoc/>
    public Task<DoneReply> TakeSums(TakeSumsMessage message) => phases.TakeSums(message);

    /// <inheritdoc/>
    public Task<PrepareReply> Prepare(string runId, Term term, int step) => phases.Prepare(runId, term, step);

    /// <inheritdoc/>
    public Task<VersionsReply> Apply(ApplyMessage message) => phases.Apply(message);

    /// <inheritdoc/>
    public Task<VersionsReply> Protect(string runId, Term term, int version) => shipping.Protect(runId, term, version);

    /// <inheritdoc/>
    public Task<VersionsReply> Put(PutMessage message) => shipping.Put(message);

    /// <inheritdoc/>
    public Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target) =>
        shipping.Send(runId, term, layers, version, target);

    /// <inheritdoc/>
    public Task<FilesReply> WriteSnapshot(string runId, Term term, int version, string folder) =>
        holdings.Write(runId, term, version, (layer, held) => LayerFiles.WriteSnapshot(layer, held, folder));

    /// <inheritdoc/>
    public Task<FilesReply> WriteAdapter(string runId, Term term, int version, string folder) =>
        holdings.Write(runId, term, version, (layer, held) => LayerFiles.WriteAdapter(layer, held, folder));

    /// <inheritdoc/>
    public Task<AgentReport> Describe() => Task.FromResult(holdings.Describe());

    /// <inheritdoc/>
    public Task<string[]> Unreachable(PlannedSilo[] silos) => Reachability.Unreachable(silos);

    /// <inheritdoc/>
    public Task End(string runId, Term term) => holdings.End(runId, term);

    /// <inheritdoc/>
    public Task LeaveOut(string runId, Term term, string reason) => holdings.LeaveOut(runId, term, reason);
}
