using Microsoft.Extensions.Logging.Abstractions;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Tests;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Tests.DataPlane;

public sealed class TcpTensorTransportTests : IAsyncDisposable
{
    private const string Run = "run";
    private static readonly Term First = new(1, Guid.NewGuid());
    private static readonly Term Second = new(2, Guid.NewGuid());
    private readonly TcpTensorTransport sender;
    private readonly TcpTensorTransport receiver;
    private readonly PlannedSilo target;
    private readonly Dictionary<string, FigureBoard> boards = [];

    public TcpTensorTransportTests()
    {
        TorchRuntime.Initialize(1);
        sender = Transport("sender", new TcpTransportOptions(ChunkBytes: 4096));
        receiver = Transport("receiver", new TcpTransportOptions());
        target = new PlannedSilo("receiver", "1", receiver.Endpoint);
        // As at a silo, whose fence comes before anything else.
        sender.Fence(Run, First);
        receiver.Fence(Run, First);
    }

    private TcpTensorTransport Transport(string silo, TcpTransportOptions options) =>
        new(options, Channels.Plain, Figures(silo), NullLogger<TcpTensorTransport>.Instance);

    private DataPlaneInstruments Figures(string silo) => new((boards[silo] = new FigureBoard(silo, TimeProvider.System)).Silo);

    private double Figure(string silo, Metric metric, string label = "") =>
        boards[silo].Silo.Read(metric).Where(value => value.Label == label).Sum(static value => value.Value);

    public async ValueTask DisposeAsync()
    {
        await sender.DisposeAsync();
        await receiver.DisposeAsync();
        foreach (var board in boards.Values) board.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(1_000_003)]
    public async Task Bytes_arrive_as_they_were_sent(int count)
    {
        using var original = rand(count, dtype: float32);
        var reference = await sender.Send(Run, First, target, original.clone(), CancellationToken.None);
        using var arrived = await receiver.Receive(Run, First, reference, CancellationToken.None);
        Assert.True(original.bytes.SequenceEqual(arrived.bytes));
        Assert.Equal(original.shape, arrived.shape);
        Assert.Equal(4 * count, Figure("sender", DataPlaneMetrics.Sent, "receiver"));
        Assert.Equal(1, Figure("sender", DataPlaneMetrics.Transfers, "receiver"));
        Assert.Equal(4 * count, Figure("receiver", DataPlaneMetrics.Received));
        Assert.Equal(2, Figure("sender", DataPlaneMetrics.Connections, "out"));
        Assert.Equal(0, Figure("receiver", DataPlaneMetrics.Pending));
    }

    [Fact]
    public async Task Half_types_and_shapes_survive()
    {
        using var original = rand(3, 5, 7).to(bfloat16);
        var reference = await sender.Send(Run, First, target, original.clone(), CancellationToken.None);
        using var arrived = await receiver.Receive(Run, First, reference, CancellationToken.None);
        Assert.Equal(bfloat16, arrived.dtype);
        Assert.Equal([3, 5, 7], arrived.shape);
        Assert.True(original.bytes.SequenceEqual(arrived.bytes));
    }

    [Fact]
    public async Task Many_tensors_at_once_do_not_mix()
    {
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            var reference = await sender.Send(Run, First, target, full([1 + (i * 997)], (float)i), CancellationToken.None);
            using var arrived = await receiver.Receive(Run, First, reference, CancellationToken.None);
            Assert.Equal(1 + (i * 997), arrived.shape[0]);
            Assert.True(arrived.eq((float)i).all().item<bool>());
        }));
    }

    [Fact]
    public async Task Within_a_silo_the_tensor_itself_is_handed_on()
    {
        using var tensor = ones(4);
        var reference = await receiver.Send(Run, First, target, tensor, CancellationToken.None);
        Assert.Same(tensor, await receiver.Receive(Run, First, reference, CancellationToken.None));
        Assert.Equal(0, Figure("receiver", DataPlaneMetrics.Sent, "receiver"));
    }

    [Fact]
    public async Task A_fence_drops_what_belongs_to_a_lower_term()
    {
        var waiting = receiver.Receive(Run, First, new TensorRef { Sender = Guid.NewGuid(), Transfer = 1 }, CancellationToken.None);
        receiver.Fence(Run, Second);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        var stale = await sender.Send(Run, First, target, ones(4), CancellationToken.None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => receiver.Receive(Run, First, stale, CancellationToken.None));
        var fresh = await sender.Send(Run, Second, target, ones(4), CancellationToken.None);
        using var arrived = await receiver.Receive(Run, Second, fresh, CancellationToken.None);
        Assert.Equal(4, arrived.shape[0]);
        await Patience.Until(() => Figure("receiver", DataPlaneMetrics.Refused) == 1);
    }

    [Fact]
    public async Task A_silo_that_is_not_there_counts_as_a_failed_connection()
    {
        await receiver.DisposeAsync();
        await Assert.ThrowsAsync<IOException>(() => sender.Send(Run, First, target, ones(4), CancellationToken.None));
        Assert.Equal(1, Figure("sender", DataPlaneMetrics.Failures, "connect"));
        Assert.Equal(0, Figure("sender", DataPlaneMetrics.Failures, "broken"));
    }

    [Fact]
    public async Task What_is_no_chunk_counts_as_damaged_and_half_a_chunk_as_lost()
    {
        foreach (var (bytes, reason) in new[] { (Enumerable.Repeat((byte)0xEE, 4096).ToArray(), "damaged"), (new byte[] { 1 }, "lost") })
        {
            using var client = new System.Net.Sockets.TcpClient(receiver.Endpoint.Host, receiver.Endpoint.Port);
            await client.GetStream().WriteAsync(bytes);
            client.Client.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            await Patience.Until(() => Figure("receiver", DataPlaneMetrics.Failures, reason) == 1);
        }

        await Patience.Until(() => Figure("receiver", DataPlaneMetrics.Connections, "in") == 0);
    }

    [Fact]
    public void A_port_in_use_is_a_clear_error()
    {
        var port = receiver.Endpoint.Port;
        var error = Assert.Throws<PeftException>(() =>
            Transport("third", new TcpTransportOptions(Port: port))
        );
        Assert.Contains("--data-port", error.Message, StringComparison.Ordinal);
    }
}
