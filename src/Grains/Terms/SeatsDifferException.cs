namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Seats of a layer hold different bytes of a version, and nobody can tell yet which are right: the next term makes the step again.
/// </summary>
internal sealed class SeatsDifferException(string message) : Exception(message);
