using Orleans.Runtime;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.Membership;

/// <summary>The silos of the cluster, as this one reads the membership; of each name its latest life.</summary>
internal sealed class MembershipInstruments
{
    /// <summary>Has the board ask.</summary>
    public MembershipInstruments(ClusterRoster roster, FigureBoard board)
    {
        board.Silo.Ask(ElasticMetrics.MemberState, () => Latest(roster).Select(static member =>
            (member.Name, (double)Array.IndexOf(["dead", "leaving", "joining", "active"], Word(member.Status)))));
        board.Silo.Ask(ElasticMetrics.Members, () =>
        {
            var states = Latest(roster).CountBy(static member => Word(member.Status)).ToDictionary();
            return MetricLabel.MemberState.Values.Select(state => (state, (double)states.GetValueOrDefault(state)));
        });
    }

    private static IEnumerable<ClusterMember> Latest(ClusterRoster roster) => roster.Members
        .GroupBy(static member => member.Name, StringComparer.Ordinal)
        .Select(static lives => lives.MaxBy(static member => member.SiloAddress.Generation)!);

    private static string Word(SiloStatus status) => status switch
    {
        SiloStatus.Active => "active",
        SiloStatus.Created or SiloStatus.Joining => "joining",
        SiloStatus.ShuttingDown or SiloStatus.Stopping => "leaving",
        _ => "dead",
    };
}
