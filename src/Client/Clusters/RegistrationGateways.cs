using System.Net;
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
                .Select(static silo => Gateways.Uri(new IPEndPoint(IPAddress.Parse(silo.Address), silo.GatewayPort))),
        ]);
}

/// <summary>Addresses of gateways.</summary>
internal static class Gateways
{
    /// <summary>Orleans' spelling of a gateway.</summary>
    public static Uri Uri(IPEndPoint endpoint) => new($"gwy.tcp://{endpoint}/0");

    /// <summary>Reads <c>host[:port][,host[:port]…]</c>; the port is 30000 unless given.</summary>
    public static async Task<IReadOnlyList<IPEndPoint>> Parse(string addresses)
    {
        var endpoints = new List<IPEndPoint>();
        foreach (var address in addresses.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (IPEndPoint.TryParse(address, out var literal))
            {
                endpoints.Add(literal.Port == 0 ? new IPEndPoint(literal.Address, 30000) : literal);
                continue;
            }

            var colon = address.LastIndexOf(':');
            var port = 30000;
            if (colon >= 0 && !int.TryParse(address[(colon + 1)..], out port))
                throw new ClientException(ExitCodes.Refused, $"--cluster {address}: expected HOST or HOST:PORT");
            var host = colon < 0 ? address : address[..colon];
            try
            {
                endpoints.AddRange((await Dns.GetHostAddressesAsync(host)).Select(ip => new IPEndPoint(ip, port)));
            }
            catch (System.Net.Sockets.SocketException error)
            {
                throw new ClientException(ExitCodes.NoCluster, $"--cluster {address}: {error.Message}", error);
            }
        }

        return endpoints.Count > 0 ? endpoints : throw new ClientException(ExitCodes.Refused, "--cluster: expected HOST:PORT");
    }
}
