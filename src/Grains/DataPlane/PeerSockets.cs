using System.Net.Sockets;
using Peft.Orleans.Core;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>The sockets to one other silo, used in turn.</summary>
internal sealed class PeerSockets(PeerSocket[] sockets) : IDisposable
{
    private int next;

    internal static async Task<PeerSockets> Connect(Endpoint endpoint, int count, Channels channels)
    {
        var sockets = new PeerSocket[count];
        for (var i = 0; i < count; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endpoint.Host, endpoint.Port).ConfigureAwait(false);
            sockets[i] = new PeerSocket(await channels.Call(socket, CancellationToken.None).ConfigureAwait(false));
        }

        return new PeerSockets(sockets);
    }

    internal PeerSocket Next() => sockets[(uint)Interlocked.Increment(ref next) % sockets.Length];

    public void Dispose()
    {
        foreach (var socket in sockets) socket.Dispose();
    }
}

/// <summary>One socket, as the stream that was made of it; chunks go out whole, one after the other.</summary>
internal sealed class PeerSocket(Stream stream) : IDisposable
{
    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly byte[] header = new byte[TransferHeader.Size];

    internal async Task Send(TransferHeader transfer, ReadOnlyMemory<byte> payload, CancellationToken cancellation)
    {
        await gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            // Once begun, a chunk is not cancelled: half a chunk would spoil the stream for everyone.
            transfer.Write(header);
            await stream.WriteAsync(header).ConfigureAwait(false);
            await stream.WriteAsync(payload).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose() => stream.Dispose();
}
