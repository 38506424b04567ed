namespace Peft.Orleans.Chaos;

/// <summary>The comparison could not be made; the message says why.</summary>
internal sealed class ChaosException(string message) : Exception(message);
