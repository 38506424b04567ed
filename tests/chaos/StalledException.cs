namespace Peft.Orleans.Chaos;

/// <summary>The run did not go on.</summary>
internal sealed class StalledException(string message) : Exception(message);
