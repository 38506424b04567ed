using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Silo.Tests;

/// <summary>The agent of a silo, and something that happens just before a message reaches it.</summary>
/// <param name="agent">The agent.</param>
/// <param name="before">What happens: name of the message, its run, its step or version.</param>
internal sealed class PassedOnAgent(ISiloAgent agent, Func<string, string, int, Task> before) : ISiloAgent
{
    public Task<FenceReply> Fence(string runId, Term term) => agent.Fence(runId, term);

    public Task<StartReply> Start(StartMessage message) => agent.Start(message);

    public Task<VersionsReply> Initialize(string runId, Term term, int pass) => agent.Initialize(runId, term, pass);

    public async Task<PrepareReply> Prepare(string runId, Term term, int step)
    {
        await before(nameof(Prepare), runId, step);
        return await agent.Prepare(runId, term, step);
    }

    public async Task<VersionsReply> Apply(ApplyMessage message)
    {
        await before(nameof(Apply), message.RunId, message.Step);
        return await agent.Apply(message);
    }

    public async Task<VersionsReply> Protect(string runId, Term term, int version)
    {
        await before(nameof(Protect), runId, version);
        return await agent.Protect(runId, term, version);
    }

    public Task<VersionsReply> Put(PutMessage message) => agent.Put(message);

    public async Task<DoneReply> Reduce(ReduceMessage message)
    {
        await before(nameof(Reduce), message.RunId, message.Step);
        return await agent.Reduce(message);
    }

    public Task<SumsReply> SendSums(SendSumsMessage message) => agent.SendSums(message);

    public Task<DoneReply> TakeSums(TakeSumsMessage message) => agent.TakeSums(message);

    public Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target) =>
        agent.Send(runId, term, layers, version, target);

    public Task Preload(RunDefinition run, int[] layers) => agent.Preload(run, layers);

    public Task<FilesReply> WriteSnapshot(string runId, Term term, int version, string folder) =>
        agent.WriteSnapshot(runId, term, version, folder);

    public Task<FilesReply> WriteAdapter(string runId, Term term, int version, string folder) =>
        agent.WriteAdapter(runId, term, version, folder);

    public Task End(string runId, Term term) => agent.End(runId, term);

    public Task LeaveOut(string runId, Term term, string reason) => agent.LeaveOut(runId, term, reason);

    public Task<string[]> Unreachable(PlannedSilo[] silos) => agent.Unreachable(silos);

    public Task<AgentReport> Describe() => agent.Describe();
}
