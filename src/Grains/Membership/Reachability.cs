using System.Net.Sockets;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Membership;

/// <summary>How an attempt to connect to a silo's data plane ends.</summary>
internal enum Reach
{
    /// <summary>Connected.</summary>
    Open,

    /// <summary>Its machine answers, its process is gone.</summary>
    Refused,

    /// <summary>No answer: the process may live behind a cut.</summary>
    Silent,
}

/// <summary>
/// Whether silos reach each other: by the sockets that tensors go through. The kernel accepts for a busy process, so load raises no alarm.
/// </summary>
internal static class Reachability
{
    /// <summary>How long an answer may take; a lost first packet is sent again after one second.</summary>
    internal static TimeSpan Patience => ClusterTimes.Current.Connection;

    /// <summary>Connects.</summary>
    internal static async Task<Reach> Connect(Socket socket, PlannedSilo silo, CancellationToken token)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(token);
        patience.CancelAfter(Patience);
        try
        {
            await socket.ConnectAsync(silo.Endpoint.Host, silo.Endpoint.Port, patience.Token).ConfigureAwait(false);
            return Reach.Open;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode is SocketError.ConnectionRefused ? Reach.Refused : Reach.Silent;
        }
        catch (OperationCanceledException) when (!token.IsCancellationRequested)
        {
            return Reach.Silent;
        }
    }

    /// <summary>Names of the silos that do not answer.</summary>
    internal static async Task<string[]> Unreachable(PlannedSilo[] silos)
    {
        var found = await Task.WhenAll(silos.Select(static async silo =>
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            return await Connect(socket, silo, CancellationToken.None).ConfigureAwait(false) == Reach.Silent ? silo.Name : null;
        })).ConfigureAwait(false);
        return [.. found.OfType<string>()];
    }
}
