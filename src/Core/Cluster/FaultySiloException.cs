namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// A silo computes or keeps wrong bytes, as a third computation has shown, or its own memory. It is evicted, and the run goes on without
/// it.
/// </summary>
[GenerateSerializer]
[Alias("Peft.Orleans.FaultySiloException")]
public sealed class FaultySiloException : PeftException
{
    /// <summary>Silos by name, with what is wrong of them.</summary>
    public FaultySiloException(IReadOnlyList<string> silos, string reason)
        : base($"{(silos.Count == 1 ? "silo" : "silos")} {string.Join(", ", silos)}{reason}") => Silos = [.. silos];

    /// <summary>Names of the silos.</summary>
    [Id(0)]
    public string[] Silos { get; private set; }
}
