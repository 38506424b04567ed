using Orleans.Runtime;

namespace Peft.Orleans.Grains.Membership;

/// <summary>The live silos by name.</summary>
internal sealed class ClusterRoster(IClusterMembershipService membership)
{
    /// <summary>Active silos: name → address; of several lives of one name the latest.</summary>
    public async Task<SortedDictionary<string, SiloAddress>> Live()
    {
        await membership.Refresh();
        return NamedSilos.Latest(NamedSilos.Active(membership.CurrentSnapshot));
    }

    /// <summary>All members ever seen, with their state.</summary>
    public IEnumerable<ClusterMember> Members => membership.CurrentSnapshot.Members.Values;

    /// <summary>Declares a silo dead.</summary>
    public Task<bool> Kill(SiloAddress address) => membership.TryKill(address);
}
