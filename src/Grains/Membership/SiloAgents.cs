using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Grains.Membership;

/// <summary>Addresses the agent of a silo.</summary>
internal interface ISiloAgents
{
    /// <summary>The agent of the silo at an address.</summary>
    ISiloAgent At(SiloAddress address);
}

/// <inheritdoc cref="ISiloAgents"/>
internal sealed class SiloAgents(IServiceProvider services)
    : global::Orleans.Runtime.Services.GrainServiceClient<ISiloAgent>(services),
        ISiloAgents
{
    /// <inheritdoc/>
    public ISiloAgent At(SiloAddress address) => GetGrainService(address);
}
