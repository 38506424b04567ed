using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Figures;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>Where and how the TCP data plane listens.</summary>
/// <param name="Host">Address to bind and to publish.</param>
/// <param name="Port">Port; 0: any free one.</param>
/// <param name="SocketsPerPeer">Sockets to each other silo.</param>
/// <param name="ChunkBytes">Largest chunk.</param>
internal sealed record TcpTransportOptions(string Host = "127.0.0.1", int Port = 0, int SocketsPerPeer = 2, int ChunkBytes = 1 << 20)
{
    /// <summary>Most bytes of tensors that have not been taken yet.</summary>
    internal long MostBytes { get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
}

/// <summary>
/// The data plane over TCP: tensors cut into checksummed chunks, spread over several sockets, received straight into native memory.
/// </summary>
internal sealed partial class TcpTensorTransport : ITensorTransport, IAsyncDisposable
{
    private readonly TcpTransportOptions options;
    private readonly ILogger<TcpTensorTransport> log;
    private readonly Guid self = Guid.NewGuid();
    private readonly Channels channels;
    private readonly DataPlaneInstruments figures;
    private readonly ReceiveTable table;
    private readonly ConcurrentDictionary<Endpoint, Lazy<Task<PeerSockets>>> peers = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly Socket listener;
    private long transfers;
    private int accepted;

    /// <summary>Starts listening.</summary>
    /// <exception cref="PeftException">The port is in use.</exception>
    public TcpTensorTransport(
        TcpTransportOptions options, Channels channels, DataPlaneInstruments figures, ILogger<TcpTensorTransport> log)
    {
        this.figures = figures;
        this.options = options;
        this.channels = channels;
        table = new ReceiveTable(options.MostBytes);
        this.log = log;
        var address = IPAddress.TryParse(options.Host, out var parsed) ? parsed : Dns.GetHostAddresses(options.Host)[0];
        listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(new IPEndPoint(address, options.Port));
            listener.Listen(128);
        }
        catch (SocketException error)
        {
            throw new PeftException(
                $"the data plane cannot listen on {new Endpoint(options.Host, options.Port)} ({error.Message}); choose another port "
                    + "with --data-port, or 0 for any free one",
                error
            );
        }

        Endpoint = new Endpoint(options.Host, ((IPEndPoint)listener.LocalEndPoint!).Port);
        figures.Watch(() => accepted, () => Connected * options.SocketsPerPeer, () => table.Pending);
        _ = AcceptLoop();
    }

    /// <inheritdoc/>
    public Endpoint Endpoint { get; }

    private int Connected => peers.Values.Count(static peer => peer.IsValueCreated && peer.Value.IsCompletedSuccessfully);

    /// <inheritdoc/>
    public void Fence(string runId, Term term) => table.Fence(TransferHeader.RunKey(runId), term);

    /// <inheritdoc/>
    public void Forget(string runId) => table.Forget(TransferHeader.RunKey(runId));

    /// <inheritdoc/>
    public async Task<TensorRef> Send(string runId, Term term, PlannedSilo target, Tensor tensor, CancellationToken cancellation)
    {
        if (target.Endpoint == Endpoint) return new TensorRef { Sender = self, Transfer = 0, Local = tensor };
        var contiguous = tensor.is_contiguous() ? tensor : tensor.contiguous();
        try
        {
            var transfer = Interlocked.Increment(ref transfers);
            var total = contiguous.NumberOfElements * contiguous.ElementSize;
            var began = Stopwatch.GetTimestamp();
            var sockets = await Sockets(target.Endpoint).WaitAsync(cancellation).ConfigureAwait(false);
            var header = new TransferHeader
            {
                Run = TransferHeader.RunKey(runId),
                Term = term,
                Sender = self,
                Transfer = transfer,
                Type = contiguous.dtype,
                Shape = contiguous.shape,
                TotalBytes = total,
                Offset = 0,
                Length = 0,
                Checksum = 0,
            };
            var chunks = Math.Max(1, (int)((total + options.ChunkBytes - 1) / options.ChunkBytes));
            if (chunks == 1)
            {
                await SendChunk(sockets.Next(), header, contiguous, 0, (int)total, cancellation).ConfigureAwait(false);
            }
            else
            {
                var pending = new Task[chunks];
                for (var i = 0; i < chunks; i++)
                {
                    var offset = (long)i * options.ChunkBytes;
                    pending[i] = SendChunk(
                        sockets.Next(),
                        header,
                        contiguous,
                        offset,
                        (int)Math.Min(options.ChunkBytes, total - offset),
                        cancellation
                    );
                }

                await Task.WhenAll(pending).ConfigureAwait(false);
            }

            figures.Sent(target.Name, total, Stopwatch.GetElapsedTime(began));
            return new TensorRef { Sender = self, Transfer = transfer };
        }
        catch (Exception error) when (error is SocketException or IOException)
        {
            if (peers.TryRemove(target.Endpoint, out var peer) && peer.Value.IsCompletedSuccessfully) figures.Failed("broken");
            throw new IOException($"the data plane to silo {target.Name} ({target.Endpoint}) broke: {error.Message}", error);
        }
        finally
        {
            if (!ReferenceEquals(contiguous, tensor)) contiguous.Dispose();
            tensor.Dispose();
        }
    }

    /// <inheritdoc/>
    public Task<Tensor> Receive(string runId, Term term, TensorRef reference, CancellationToken cancellation) =>
        reference.Local is Tensor local
            ? Task.FromResult(local)
            : table.Take(TransferHeader.RunKey(runId), term, reference.Sender, reference.Transfer, cancellation);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        listener.Dispose();
        foreach (var peer in peers.Values)
        {
            if (peer.IsValueCreated && peer.Value.IsCompletedSuccessfully) peer.Value.Result.Dispose();
        }
    }

    private static async Task SendChunk(
        PeerSocket socket,
        TransferHeader header,
        Tensor tensor,
        long offset,
        int length,
        CancellationToken cancellation
    )
    {
        using var memory = new TensorMemory(tensor, offset, length);
        header = header with { Offset = offset, Length = length, Checksum = XxHash3.HashToUInt64(memory.GetSpan()) };
        await socket.Send(header, memory.Memory, cancellation).ConfigureAwait(false);
    }

    private async Task<PeerSockets> Sockets(Endpoint endpoint)
    {
        try
        {
            return await Peer(endpoint).ConfigureAwait(false);
        }
        catch (Exception error) when (error is SocketException or IOException)
        {
            figures.Failed("connect");
            throw;
        }
    }

    private Task<PeerSockets> Peer(Endpoint endpoint)
    {
        var entry = peers.GetOrAdd(endpoint, Connecting);
        if (entry.Value.IsFaulted)
        {
            peers.TryRemove(new KeyValuePair<Endpoint, Lazy<Task<PeerSockets>>>(endpoint, entry));
            entry = peers.GetOrAdd(endpoint, Connecting);
        }

        return entry.Value;
    }

    private Lazy<Task<PeerSockets>> Connecting(Endpoint endpoint) =>
        new(() => PeerSockets.Connect(endpoint, options.SocketsPerPeer, channels));

    private async Task AcceptLoop()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(stopping.Token).ConfigureAwait(false);
                socket.NoDelay = true;
                _ = ReceiveLoop(socket);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                if (!stopping.IsCancellationRequested) LogAcceptFailed(error);
                return;
            }
        }
    }

    private async Task ReceiveLoop(Socket socket)
    {
        EndPoint? peer = null;
        Interlocked.Increment(ref accepted);
        try
        {
            peer = socket.RemoteEndPoint;
            await using var stream = await channels.Answer(socket, stopping.Token).ConfigureAwait(false);
            await ChunkReader.Read(stream, table, figures, stopping.Token).ConfigureAwait(false);
        }
        catch (Exception error)
            when (error is SocketException or IOException or InvalidDataException or OperationCanceledException or ObjectDisposedException
            )
        {
            // The sender sees the broken connection too; what was on its way is asked for again in a later term.
            if (stopping.IsCancellationRequested) return;
            figures.Failed(error is InvalidDataException ? "damaged" : "lost");
            LogConnectionBroke(peer, error.Message);
        }
        finally
        {
            Interlocked.Decrement(ref accepted);
            socket.Dispose();
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "data plane: accepting connections failed")]
    private partial void LogAcceptFailed(Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "data plane: connection from {Peer} ended: {Reason}")]
    private partial void LogConnectionBroke(EndPoint? peer, string reason);
}
