using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Grains.Membership;

/// <summary>The live silos by name.</summary>
internal sealed class ClusterRoster(IClusterMembershipService membership)
{
    /// <summary>Active silos: name → address; of several lives of one name the latest.</summary>
    public async Task<SortedDictionary<string, SiloAddress>> Live()
    {
        try
        {
            await membership.Refresh().AsTask().WaitAsync(ClusterTimes.Current.Answer);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // The cluster's store is away: the silos known last. Whoever of them has died answers no fence.
        }

        return NamedSilos.Latest(NamedSilos.Active(membership.CurrentSnapshot));
    }

    /// <summary>All members ever seen, with their state.</summary>
    public IEnumerable<ClusterMember> Members => membership.CurrentSnapshot.Members.Values;

    /// <summary>Declares a silo dead.</summary>
    public Task<bool> Kill(SiloAddress address) => membership.TryKill(address);
}
