using Orleans.Concurrency;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using MemberState = Orleans.Runtime.SiloStatus;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Grains.Membership;

/// <summary>Answers questions about the cluster on whatever silo they come to.</summary>
[StatelessWorker, Reentrant]
internal sealed class ClusterGrain(ISiloAgents agents, ClusterRoster roster) : Grain, IClusterGrain
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<SiloStatus>> Silos()
    {
        var live = await roster.Live();
        var rows = new List<SiloStatus>();
        foreach (var (name, address) in live)
        {
            var report = await agents.At(address).Describe();
            rows.Add(new SiloStatus
            {
                Name = name,
                Pid = report.Pid,
                Address = address.Endpoint.ToString(),
                State = nameof(MemberState.Active),
                Standby = true,
                ResidentBytes = report.ResidentBytes,
                WeightBytesRead = report.WeightBytesRead,
                MetricsUrl = report.MetricsUrl,
            });
        }

        rows.AddRange(roster.Members
            .Where(member => member.Status != MemberState.Active && !live.ContainsKey(member.Name))
            .Select(static member => new SiloStatus
            {
                Name = member.Name,
                Address = member.SiloAddress.Endpoint.ToString(),
                State = member.Status.ToString(),
            }));
        return rows;
    }
}
