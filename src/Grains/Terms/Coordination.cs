using Microsoft.Extensions.Logging;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What this silo gives the coordinators of its runs to work with.</summary>
internal sealed class Coordination(ClusterReach reach, ICoordinatorObserver observer, TimeProvider time, ILoggerFactory loggers)
{
    /// <summary>A run's share of it.</summary>
    internal RunServices Of(string runId) => new(reach.Of(runId), observer, time, loggers);
}
