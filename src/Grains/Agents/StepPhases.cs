using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>The phases that end a step, as messages of the coordinator and of other replicas: reduce, prepare, apply.</summary>
internal sealed class StepPhases(AgentStore store, GradientReduction reduction)
{
    /// <summary>Gathers the replicas' sums at the first seats here, and gives the whole ones back.</summary>
    internal Task<DoneReply> Reduce(ReduceMessage message)
    {
        var run = store.Run(message.RunId);
        return run.Once.Do(message.Term, nameof(Reduce), message.Step, "", () => reduction.Reduce(run, message));
    }

    /// <summary>Sends this replica's sums to the silo that asks.</summary>
    internal async Task<SumsReply> SendSums(SendSumsMessage message) =>
        new() { Sums = await reduction.Send(store.Run(message.RunId), message, whole: false) };

    /// <summary>Takes whole sums.</summary>
    internal Task<DoneReply> TakeSums(TakeSumsMessage message)
    {
        var run = store.Run(message.RunId);
        return run.Once.Do(message.Term, nameof(TakeSums), message.Step, string.Join(',', message.Layers), async () =>
        {
            await reduction.Take(run, message);
            return new DoneReply();
        });
    }

    /// <summary>Measures the gradients of a step; changes nothing.</summary>
    internal async Task<PrepareReply> Prepare(string runId, Term term, int step)
    {
        var run = store.Run(runId);
        var decision = run.Decide(protocol => protocol.Prepare(term, step));
        if (!decision.Accepted)
            return new PrepareReply { Refusal = decision.Reason };
        var measures = await store.Device.Run(DevicePriority.Backward, () => StepWork.Measure(run, store.Identity.Name, step));
        var (forward, backward) = run.TakeComputeSeconds();
        return new PrepareReply { Measures = measures, ComputeSeconds = forward + backward, ForwardSeconds = forward };
    }

    /// <summary>Takes the optimizer step.</summary>
    internal async Task<VersionsReply> Apply(ApplyMessage message)
    {
        var run = store.Run(message.RunId);
        await run.Phase.WaitAsync();
        try
        {
            var decision = run.Decide(protocol => protocol.Apply(message.Term, message.Step));
            if (!decision.Accepted)
                return new VersionsReply { Refusal = decision.Reason };
            var silo = store.Identity.Name;
            var hashes = await store.Run(DevicePriority.Backward, () => StepWork.Apply(run, silo, message, decision.Effects));
            return new VersionsReply { Hashes = hashes };
        }
        finally
        {
            run.Phase.Release();
        }
    }
}
