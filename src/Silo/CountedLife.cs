using System.Net;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime;
using Peft.Orleans.Silo.Stores;

namespace Peft.Orleans.Silo;

/// <summary>What a silo is called, its incarnation a number of <see cref="ClusterStore"/> instead of the seconds of its clock.</summary>
internal sealed class CountedLife(
    ClusterStore store, IOptions<SiloOptions> silo, IOptions<ClusterOptions> cluster, IOptions<EndpointOptions> endpoints)
    : ILocalSiloDetails
{
    private readonly Lazy<SiloAddress> address = new(() =>
        SiloAddress.New(endpoints.Value.AdvertisedIPAddress!, endpoints.Value.SiloPort, store.NextLife()));

    /// <inheritdoc/>
    public string Name => silo.Value.SiloName;

    /// <inheritdoc/>
    public string ClusterId => cluster.Value.ClusterId;

    /// <inheritdoc/>
    public string DnsHostName { get; } = Dns.GetHostName();

    /// <inheritdoc/>
    public SiloAddress SiloAddress => address.Value;

    /// <inheritdoc/>
    public SiloAddress GatewayAddress { get; } =
        SiloAddress.New(endpoints.Value.AdvertisedIPAddress!, endpoints.Value.GatewayPort, 0);
}
