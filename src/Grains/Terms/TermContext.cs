using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What a term of a run works with.</summary>
internal sealed record TermContext(
    RunRequest Request, ResolvedRun Run, Term Term, SortedDictionary<string, SiloAddress> Live, string Self, DatasetSummary Data,
    IDatasetGrain Dataset, IGrainFactory Grains, ISiloAgents Agents, ClusterRoster Roster, ICoordinatorObserver Observer, CancellationToken Abandoned, CancellationToken SiloStops, bool Recovering)
{
    /// <summary>The run file, everything decided.</summary>
    internal RunSpec Spec => Run.Spec;

    /// <summary>Agent of a silo by name.</summary>
    internal ISiloAgent Agent(string silo) => Agents.At(Live[silo]);
}
