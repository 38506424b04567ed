using Microsoft.Extensions.Logging;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Terms;

/// <summary>The way from a coordinator on this silo to the cluster.</summary>
internal sealed class ClusterReach(
    IGrainFactory grains, ISiloAgents agents, ClusterRoster roster, SiloIdentity self, ILogger<ClusterReach> log)
{
    /// <summary>A run's own way: it remembers whom it has evicted.</summary>
    internal IAgents Of(string runId) => new ClusterAgents(runId, grains, agents, new SiloLinks(agents, roster, self.Name, log));
}
