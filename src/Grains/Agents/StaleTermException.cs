namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// A message was refused because its term is not in force, or a silo does not hold what it asks for: the coordinator draws a new term.
/// </summary>
[GenerateSerializer]
[Alias("Peft.Orleans.StaleTermException")]
internal sealed class StaleTermException(string message) : Exception(message);
