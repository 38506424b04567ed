namespace Peft.Orleans.Grains.Agents;

/// <summary>A message was refused because its generation is not in force, or a silo does not hold what it asks for: the coordinator draws a new generation.</summary>
[GenerateSerializer]
[Alias("Peft.Orleans.StaleGenerationException")]
public sealed class StaleGenerationException(string message) : Exception(message);
