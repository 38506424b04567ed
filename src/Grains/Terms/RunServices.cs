using Microsoft.Extensions.Logging;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What a coordinator works with besides the run itself.</summary>
/// <param name="Agents">Everything that goes to silos.</param>
/// <param name="Observer">Sees every effect before it is carried out.</param>
/// <param name="Board">Where the silo's figures are read.</param>
/// <param name="Time">Clock of its pauses.</param>
/// <param name="Loggers">Loggers.</param>
internal sealed record RunServices(
    IAgents Agents, ICoordinatorObserver Observer, FigureBoard Board, TimeProvider Time, ILoggerFactory Loggers);
