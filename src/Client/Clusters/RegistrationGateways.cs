using Orleans.Messaging;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// The gateways of a local cluster: the registrations in its folder, read anew each time, so that silos added by hand are found.
/// </summary>
internal sealed class RegistrationGateways(string clusterFolder) : IGatewayListProvider
{
    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(1);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    public Task<IList<Uri>> GetGateways() =>
        Task.FromResult<IList<Uri>>([
            .. SiloRegistration
                .ReadAll(clusterFolder)
                .Select(static silo => Gateways.Uri(Gateways.At(silo.Gateway))),
        ]);
}
