using System.Net;
using System.Net.Sockets;
using Peft.Orleans.Core;

namespace Peft.Orleans.Silo;

/// <summary>Ports that can be listened on.</summary>
internal static class FreePort
{
    /// <summary>The port asked for, checked to be free at an address; 0: a free one.</summary>
    /// <exception cref="PeftException">It cannot be used.</exception>
    internal static int Find(string option, int wanted, IPAddress address)
    {
        if (wanted != 0)
        {
            if (Refusal(wanted, address) is not { } reason) return wanted;
            throw new PeftException(
                $"port {wanted} ({option}) cannot be used: {reason}; choose another, or leave the option out for any free port");
        }

        // Below the ports that the system hands out for outgoing connections: one of those could take it before it is listened on.
        for (var attempt = 0; attempt < 200; attempt++)
        {
            var candidate = Random.Shared.Next(10_240, 32_768);
            if (Refusal(candidate, address) is null) return candidate;
        }

        throw new PeftException($"no free port for {option} found between 10240 and 32767; give one");
    }

    private static string? Refusal(int port, IPAddress address)
    {
        using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(address, port));
            return null;
        }
        catch (SocketException error)
        {
            return error.Message;
        }
    }
}
