using Orleans.Core.Internal;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
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
    public async Task<DatasetSummary> OpenDataset(ResolvedRun run, string folder, SiloAddress? on = null)
    {
        if (on is not null)
        {
            await Dataset.Cast<IGrainManagementExtension>().DeactivateOnIdle();
            // Where the next call brings it to life; known within this method only.
            RequestContext.Set(IPlacementDirector.PlacementHintKey, on);
        }

        return await Dataset.Open(run, folder);
    }

    /// <inheritdoc/>
    public Task<SortedDictionary<string, SiloAddress>> Live() => links.Inside();

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Outside => links.Outside;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> LeftOut => links.LeftOut;

    /// <inheritdoc/>
    public Task LeaveOut(SiloAddress silo, Term term, UnfitSiloException unfit) => LeaveOut(silo, term, unfit.Silo, unfit.Message);

    /// <inheritdoc/>
    public async Task Evict(SiloAddress silo, Term term, string name, string reason)
    {
        await LeaveOut(silo, term, name, reason);
        await links.Kill(silo);
    }

    private async Task LeaveOut(SiloAddress silo, Term term, string name, string reason)
    {
        links.LeaveOut(silo, name, reason);
        try
        {
            await agents.At(silo).LeaveOut(runId, term, reason);
        }
        catch (Exception error) when (error is SiloUnavailableException or OrleansMessageRejectionException or TimeoutException)
        {
            // It ends, or does not answer: nothing is planned on it, so that it need not know.
        }
    }

    /// <inheritdoc/>
    public void Release(SiloAddress silo) => links.Release(silo);

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
