namespace Peft.Orleans.Core.Cluster;

/// <summary>Bounds and meaning of a value of <see cref="ClusterTimes"/>; the table in docs/reliability.md is made of these.</summary>
/// <param name="least">Smallest value: seconds, or a number.</param>
/// <param name="most">Largest value.</param>
/// <param name="meaning">What is waited for, and what happens afterwards.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class WaitAttribute(double least, double most, string meaning) : Attribute
{
    /// <summary>Smallest value: seconds, or a number.</summary>
    public double Least { get; } = least;

    /// <summary>Largest value.</summary>
    public double Most { get; } = most;

    /// <summary>What is waited for, and what happens afterwards.</summary>
    public string Meaning { get; } = meaning;
}
