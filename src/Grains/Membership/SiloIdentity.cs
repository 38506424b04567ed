namespace Peft.Orleans.Grains.Membership;

/// <summary>What a silo knows of itself before it joins.</summary>
/// <param name="Name">Silo name.</param>
/// <param name="Threads">Compute threads.</param>
/// <param name="MetricsUrl">URL of /metrics.</param>
/// <param name="MemoryBytes">Memory for weights and activations on the silo's device.</param>
/// <param name="TakesSeats">Whether layers may be seated here.</param>
/// <param name="PeakFlops">Peak of the device, FLOP/s; 0: not said.</param>
internal sealed record SiloIdentity(
    string Name, int Threads, string MetricsUrl, long MemoryBytes, bool TakesSeats = true, double PeakFlops = 0);
