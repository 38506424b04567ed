using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Core.Cluster;

/// <summary>The cluster itself, whatever runs on it; key 0.</summary>
[Alias("Peft.Orleans.IClusterGrain")]
public interface IClusterGrain : IGrainWithIntegerKey
{
    /// <summary>The silos that live, described, and those that membership remembers; without any run's layers.</summary>
    [AllowedTo(Role.ReadOnly), Alias("Silos")]
    Task<IReadOnlyList<SiloStatus>> Silos();
}
