namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// A silo cannot take part in a run: it sees other files than the run began with, or computes with another number of threads. The run
/// goes on without it while others remain.
/// </summary>
[GenerateSerializer]
[Alias("Peft.Orleans.UnfitSiloException")]
public sealed class UnfitSiloException : PeftException
{
    /// <summary>A silo by name, with what is wrong and what to do.</summary>
    public UnfitSiloException(string silo, string reason) : base($"silo {silo}{reason}") => Silo = silo;

    /// <summary>The silo's name.</summary>
    [Id(0)]
    public string Silo { get; private set; }
}
