using System.Net;
using System.Net.Sockets;
using Peft.Orleans.Core;

namespace Peft.Orleans.Client.Clusters;

/// <summary>Addresses of gateways.</summary>
internal static class Gateways
{
    /// <summary>Orleans' default.</summary>
    private const int AssumedPort = 30000;

    /// <summary>Orleans' spelling of a gateway.</summary>
    public static Uri Uri(IPEndPoint endpoint) => new($"gwy.tcp://{endpoint}/0");

    /// <summary>A place whose host is an address.</summary>
    public static IPEndPoint At(Endpoint endpoint) => new(IPAddress.Parse(endpoint.Host), endpoint.Port);

    /// <summary>Reads <c>host[:port][,host[:port]…]</c>; the port is 30000 unless given. A name may have several addresses.</summary>
    public static async Task<IReadOnlyList<IPEndPoint>> Parse(string addresses)
    {
        var endpoints = new List<IPEndPoint>();
        foreach (var address in addresses.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!Endpoint.TryParse(address, AssumedPort, out var endpoint))
                throw new ClientException(ExitCodes.Refused, $"--cluster {address}: expected HOST or HOST:PORT");
            try
            {
                // An address is its own answer.
                endpoints.AddRange((await Dns.GetHostAddressesAsync(endpoint.Host)).Select(ip => new IPEndPoint(ip, endpoint.Port)));
            }
            catch (SocketException error)
            {
                throw new ClientException(ExitCodes.NoCluster, $"--cluster {address}: {error.Message}", error);
            }
        }

        return endpoints.Count > 0 ? endpoints : throw new ClientException(ExitCodes.Refused, "--cluster: expected HOST:PORT");
    }
}
