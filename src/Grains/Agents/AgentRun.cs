using System.Collections.Concurrent;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// What a silo holds of one run. The protocol state is guarded by <see cref="Sync"/>; layers are touched on the device thread only.
/// </summary>
internal sealed class AgentRun(string runId, string silo)
{
    private CancellationTokenSource termEnded = new();
    private long forwardTicks;
    private long backwardTicks;

    internal object Sync { get; } = new();

    internal string RunId => runId;

    internal AgentProtocol Protocol { get; } = new(silo);

    internal RunDefinition? Definition { get; set; }

    /// <summary>What its shards are made of; the run is started.</summary>
    internal ModelChoice Setup => Definition!.Setup;

    /// <summary>Layers whose base weights are loaded: those that compute here, and those loaded for seats to come.</summary>
    internal ConcurrentDictionary<int, SeatedLayer> Layers { get; } = [];

    /// <summary>Versions of all layers with a seat here, passive ones too.</summary>
    internal ConcurrentDictionary<int, KeptVersions> Kept { get; } = [];

    internal KeptVersions KeptOf(int layer) => Kept.GetOrAdd(layer, static _ => new KeptVersions());

    /// <summary>Records of the versions held, by step.</summary>
    internal SortedDictionary<int, StepRecord> Records { get; } = [];

    /// <summary>Serialises Start, Initialize and Apply, which may each arrive twice.</summary>
    internal SemaphoreSlim Phase { get; } = new(1, 1);

    internal DeliveredOnce Once { get; } = new();

    /// <summary>Cancelled when the term in force is superseded.</summary>
    internal CancellationToken TermToken => termEnded.Token;

    /// <summary>Counts time the device computed for microbatches.</summary>
    internal void AddCompute(DevicePriority priority, TimeSpan time) =>
        Interlocked.Add(ref priority == DevicePriority.Forward ? ref forwardTicks : ref backwardTicks, time.Ticks);

    /// <summary>Time counted since the last call, in seconds.</summary>
    internal (double Forward, double Backward) TakeComputeSeconds() => (Seconds(ref forwardTicks), Seconds(ref backwardTicks));

    private static double Seconds(ref long ticks) => TimeSpan.FromTicks(Interlocked.Exchange(ref ticks, 0)).TotalSeconds;

    /// <summary>Cancels all waiting of lower terms.</summary>
    internal void EndTerm()
    {
        var ended = termEnded;
        termEnded = new CancellationTokenSource();
        ended.Cancel();
    }

    /// <summary>Asks the protocol under the lock.</summary>
    internal AgentDecision Decide(Func<AgentProtocol, AgentDecision> question)
    {
        lock (Sync) return question(Protocol);
    }

    /// <summary>Throws unless the protocol allows it.</summary>
    /// <exception cref="StaleTermException">Refused.</exception>
    internal void Require(Func<AgentProtocol, AgentDecision> question)
    {
        var decision = Decide(question);
        if (!decision.Accepted) throw new StaleTermException(decision.Reason);
    }
}
