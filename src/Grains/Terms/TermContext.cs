using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What a term of a run works with.</summary>
internal sealed record TermContext(
    RunRequest Request, RunSpec Spec, Term Term, SortedDictionary<string, SiloAddress> Live, string Self, DatasetSummary Data,
    IDatasetGrain Dataset, IGrainFactory Grains, ISiloAgents Agents, ClusterRoster Roster, ICoordinatorObserver Observer, CancellationToken Abandoned, CancellationToken SiloStops, bool Recovering)
{
    /// <summary>Agent of a silo by name.</summary>
    internal ISiloAgent Agent(string silo) => Agents.At(Live[silo]);
}
