using Microsoft.Extensions.Logging;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Who looks on at the coordinators of this silo.</summary>
/// <param name="Observer">Sees every effect before it is carried out.</param>
/// <param name="Board">Where figures are read.</param>
internal sealed record Onlookers(ICoordinatorObserver Observer, FigureBoard Board);

/// <summary>What this silo gives the coordinators of its runs to work with.</summary>
internal sealed class Coordination(ClusterReach reach, Onlookers onlookers, TimeProvider time, ILoggerFactory loggers)
{
    /// <summary>A run's share of it.</summary>
    internal RunServices Of(string runId) => new(reach.Of(runId), onlookers.Observer, onlookers.Board, time, loggers);
}
