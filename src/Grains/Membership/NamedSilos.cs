using Orleans.Runtime;

namespace Peft.Orleans.Grains.Membership;

/// <summary>
/// One silo per name. Where two of one name are active, because one was started again before the loss of the other was noticed, or because
/// neither knew of the other, the later life counts: for the plan, for the places of shards, and for the two themselves, of which the
/// earlier one ends. Lives are numbered in the cluster's membership file, so no clock decides which is the later.
/// </summary>
internal static class NamedSilos
{
    /// <summary>Whether a silo is a later life than another; of two different ones exactly one is, whoever asks.</summary>
    internal static bool IsLater(SiloAddress silo, SiloAddress other)
    {
        // Equal only where membership was made anew under a silo that lives; then any order will do that all agree on.
        if (silo.Generation != other.Generation) return silo.Generation > other.Generation;
        return string.CompareOrdinal(silo.ToParsableString(), other.ToParsableString()) > 0;
    }

    /// <summary>Name → its latest life.</summary>
    internal static SortedDictionary<string, SiloAddress> Latest(IEnumerable<(string Name, SiloAddress Address)> active)
    {
        var latest = new SortedDictionary<string, SiloAddress>(StringComparer.Ordinal);
        foreach (var (name, address) in active)
        {
            if (!latest.TryGetValue(name, out var other) || IsLater(address, other)) latest[name] = address;
        }

        return latest;
    }

    /// <summary>The active members of a snapshot.</summary>
    internal static IEnumerable<(string Name, SiloAddress Address)> Active(ClusterMembershipSnapshot snapshot) =>
        from member in snapshot.Members.Values where member.Status == SiloStatus.Active select (member.Name, member.SiloAddress);
}
