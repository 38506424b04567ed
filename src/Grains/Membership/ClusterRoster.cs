using Orleans.Runtime;

namespace Peft.Orleans.Grains.Membership;

/// <summary>The live silos by name.</summary>
public sealed class ClusterRoster(IClusterMembershipService membership)
{
    /// <summary>Active silos: name → address.</summary>
    public async Task<SortedDictionary<string, SiloAddress>> Live()
    {
        await membership.Refresh();
        var live = new SortedDictionary<string, SiloAddress>(StringComparer.Ordinal);
        foreach (var (address, member) in membership.CurrentSnapshot.Members)
        {
            // A process restarted under its name may be there before the loss of the former one is noticed: the later life counts.
            if (member.Status == SiloStatus.Active && !(live.TryGetValue(member.Name, out var other) && other.Generation > address.Generation)) live[member.Name] = address;
        }

        return live;
    }

    /// <summary>All members ever seen, with their state.</summary>
    public IEnumerable<ClusterMember> Members => membership.CurrentSnapshot.Members.Values;

    /// <summary>Declares a silo dead.</summary>
    public Task<bool> Kill(SiloAddress address) => membership.TryKill(address);
}
