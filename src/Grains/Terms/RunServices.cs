using Microsoft.Extensions.Logging;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What a coordinator works with besides the run itself.</summary>
/// <param name="Agents">Everything that goes to silos.</param>
/// <param name="Observer">Sees every effect before it is carried out.</param>
/// <param name="Time">Clock of its pauses.</param>
/// <param name="Loggers">Loggers.</param>
internal sealed record RunServices(IAgents Agents, ICoordinatorObserver Observer, TimeProvider Time, ILoggerFactory Loggers);
