using System.Collections.Concurrent;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;

namespace Peft.Orleans.Grains.Agents;

/// <summary>Everything a silo owns: the device thread, the data plane, the runs. One per process; outlives every grain.</summary>
internal sealed class AgentStore(SiloIdentity identity, ITensorTransport transport, DeviceThread device)
{
    private readonly ConcurrentDictionary<string, AgentRun> runs = new();
    private long batchWaitTicks;

    /// <summary>Identity.</summary>
    public SiloIdentity Identity => identity;

    /// <summary>Data plane.</summary>
    public ITensorTransport Transport => transport;

    /// <summary>Device thread.</summary>
    public DeviceThread Device => device;

    /// <summary>Work on the device with what was computed before.</summary>
    /// <exception cref="FaultySiloException">It finds that bytes have changed in this silo's memory meanwhile.</exception>
    public async Task<T> Run<T>(DevicePriority priority, Func<T> work, CancellationToken token = default)
    {
        try
        {
            return await device.Run(priority, work, token);
        }
        catch (Exception error) when (error is DamagedMemoryException)
        {
            throw new FaultySiloException([identity.Name], $": {error.Message}; its memory is not to be trusted");
        }
    }

    /// <summary>Whether layers may be seated here.</summary>
    public SeatOffer Seats { get; } = new(identity.TakesSeats);

    /// <summary>Ids of the runs this silo knows.</summary>
    public IReadOnlyCollection<string> RunIds => [.. runs.Keys];

    /// <summary>Ids of the runs that train here.</summary>
    public IReadOnlyCollection<string> TrainingRuns =>
        [.. runs.Values.Where(static run => run.Definition is { Training: true }).Select(static run => run.RunId)];

    /// <summary>Number of layers of a run with an active seat here.</summary>
    public int SeatedLayers(string runId) => Find(runId)?.Protocol.Plan?.ActiveLayersOn(identity.Name).Length ?? 0;

    /// <summary>Layers of a run whose base weights this silo is to hold ready.</summary>
    public int[] StandbyLayers(string runId) =>
        Find(runId)?.Protocol.Plan?.Preloads.FirstOrDefault(ahead => ahead.Silo == identity.Name)?.Layers ?? [];

    /// <summary>Time that passes have waited here for ids and labels.</summary>
    public TimeSpan BatchWait => TimeSpan.FromTicks(Interlocked.Read(ref batchWaitTicks));

    internal void AddBatchWait(TimeSpan time) => Interlocked.Add(ref batchWaitTicks, time.Ticks);

    internal IReadOnlyCollection<AgentRun> Runs => [.. runs.Values];

    internal AgentRun Run(string runId) => runs.GetOrAdd(runId, static (id, silo) => new AgentRun(id, silo), identity.Name);

    internal AgentRun? Find(string runId) => runs.GetValueOrDefault(runId);

    internal void Forget(string runId)
    {
        runs.TryRemove(runId, out _);
        transport.Forget(runId);
    }
}
