using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.DataPlane;

namespace Peft.Orleans.Grains.Membership;

/// <summary>
/// Notices a dead process at once: an idle connection to the data planes of the next silos in the ring, which breaks when their process
/// ends. Only a silo that then refuses a new connection is declared dead. One that does not answer at all may be alive behind a cut: that
/// is told (<see cref="Silent"/>). Probes of the membership protocol remain for those that hang.
/// </summary>
internal sealed partial class PeerWatch(
    SiloIdentity identity, IClusterMembershipService membership, Channels channels, ILogger<PeerWatch> log) : IDisposable
{
    /// <summary>Silos watched by each.</summary>
    private const int Successors = 3;

    /// <summary>A silo does not answer, by name.</summary>
    internal event Action<string>? Silent;

    private readonly ConcurrentDictionary<string, CancellationTokenSource> watched = new();
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Watches the successors in a plan's ring of silos, and no longer those that are none.</summary>
    public void Follow(SeatPlan plan)
    {
        var names = plan.Silos.Select(static silo => silo.Name).ToArray();
        var self = Array.IndexOf(names, identity.Name);
        if (self < 0)
            return;
        var successors = Enumerable
            .Range(1, Math.Min(Successors, names.Length - 1))
            .Select(k => plan.Silos[(self + k) % names.Length])
            .ToArray();
        foreach (var gone in watched.Keys.Except(successors.Select(static silo => silo.Incarnation)).ToArray())
        {
            if (watched.TryRemove(gone, out var ended)) ended.Cancel();
        }

        foreach (var silo in successors)
        {
            var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            if (watched.TryAdd(silo.Incarnation, ending)) _ = Watch(silo, ending.Token);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => stopping.Cancel();

    private async Task Watch(PlannedSilo silo, CancellationToken token)
    {
        var brief = 0;
        try
        {
            while (true)
            {
                using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                switch (await Reachability.Connect(socket, silo, token).ConfigureAwait(false))
                {
                    case Reach.Open:
                        var opened = TimeProvider.System.GetTimestamp();
                        var refused = await Broken(socket, token).ConfigureAwait(false);
                        if (refused is not null) LogNotAccepted(silo.Name, refused);
                        // What is closed as soon as it is open, again and again, is not accepted there.
                        brief = TimeProvider.System.GetElapsedTime(opened) < Reachability.Patience ? brief + 1 : 0;
                        if (brief > 1) await Task.Delay(Reachability.Patience, token).ConfigureAwait(false);
                        break;
                    case Reach.Refused:
                        LogGone(silo.Name);
                        await membership.TryKill(SiloAddress.FromParsableString(silo.Incarnation)).ConfigureAwait(false);
                        return;
                    case Reach.Silent:
                        LogSilent(silo.Name);
                        Silent?.Invoke(silo.Name);
                        await Task.Delay(Reachability.Patience, token).ConfigureAwait(false);
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // No longer a successor, or this silo stops.
        }
        catch (Exception error)
        {
            LogWatchFailed(error, silo.Name);
        }
        finally
        {
            watched.TryRemove(silo.Incarnation, out _);
        }
    }

    /// <summary>
    /// Waits until a connection breaks: its process has ended, or nothing comes through any more. The result tells why it was none from the
    /// beginning; null: it was.
    /// </summary>
    private async Task<string?> Broken(Socket socket, CancellationToken token)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 1);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 1);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        Stream stream;
        try
        {
            stream = await channels.Call(socket, token).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            return error.Message;
        }

        try
        {
            await using (stream.ConfigureAwait(false)) await stream.ReadAsync(new byte[1], token).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // Reset, or the kernel's probes went unanswered.
        }

        return null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "silo {Silo} has ended: its data plane refuses connections")]
    private partial void LogGone(string silo);

    [LoggerMessage(Level = LogLevel.Warning, Message = "silo {Silo} has ended, or speaks with this one under no certificate: {Reason}")]
    private partial void LogNotAccepted(string silo, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "silo {Silo} cannot be reached from here; the coordinator is asked to look")]
    private partial void LogSilent(string silo);

    [LoggerMessage(Level = LogLevel.Warning, Message = "watching silo {Silo} failed; the membership's probes remain")]
    private partial void LogWatchFailed(Exception error, string silo);
}
