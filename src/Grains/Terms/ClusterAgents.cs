using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Terms;

/// <inheritdoc cref="IAgents"/>
internal sealed class ClusterAgents(
    string runId, IGrainFactory grains, ISiloAgents agents, SiloLinks links) : IAgents
{
    /// <inheritdoc/>
    public string Self => links.Self;

    /// <inheritdoc/>
    public IDatasetGrain Dataset => grains.GetGrain<IDatasetGrain>(runId);

    /// <inheritdoc/>
    public Task<SortedDictionary<string, SiloAddress>> Live() => links.Inside();

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Outside => links.Outside;

    /// <inheritdoc/>
    public Task Kill(SiloAddress silo) => links.Kill(silo);

    /// <inheritdoc/>
    public Task<string[]> Mend() => links.Mend();

    /// <inheritdoc/>
    public ISiloAgent At(SiloAddress silo) => agents.At(silo);

    /// <inheritdoc/>
    public ILayerShardGrain Shard(SeatKey seat) => grains.GetGrain<ILayerShardGrain>(seat.ToString());

    /// <inheritdoc/>
    public Task Report(RunStatus status) => grains.GetGrain<IRunCatalogGrain>(0).Report(status);
}
