using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;

namespace Peft.Orleans.Grains.Tests.Agents;

/// <summary>What an agent says of what its silo holds, writes of it, and drops.</summary>
public sealed class HoldingsTests : IDisposable
{
    private const string Run = "run";

    private static readonly Term First = new(1, Guid.NewGuid());
    private static readonly Term Second = new(2, Guid.NewGuid());

    private readonly DeviceThread device = new("test");
    private readonly FakeTransport transport = new();
    private readonly FakeBatches batches = new();
    private readonly AgentStore store;
    private readonly Holdings holdings;

    public HoldingsTests()
    {
        store = new AgentStore(new SiloIdentity("a", Threads: 3, MetricsUrl: "", MemoryBytes: 5), transport, device);
        holdings = new Holdings(store, batches, new Details(), NullLogger<Holdings>.Instance);
    }

    [Fact]
    public void A_fence_is_answered_with_what_is_held_and_ends_what_waits_in_lower_terms()
    {
        holdings.Fence(Run, First);
        var waiting = store.Run(Run).TermToken;
        Hold(First, layer: 1, version: 0);
        var reply = holdings.Fence(Run, Second);
        Assert.True(reply.Accepted);
        Assert.Equal(new PlannedSilo("a", Details.Address.ToParsableString(), transport.Endpoint), reply.Silo);
        Assert.Equal((3, 5L), (reply.Threads, reply.MemoryBytes));
        Assert.Equal([0], Assert.Single(reply.Inventory).Value);
        Assert.True(waiting.IsCancellationRequested);
        Assert.Equal([First, Second], transport.Fenced);
    }

    [Fact]
    public void A_lower_term_and_a_copy_change_nothing()
    {
        holdings.Fence(Run, Second);
        var waiting = store.Run(Run).TermToken;
        Assert.False(holdings.Fence(Run, First).Accepted);
        Assert.True(holdings.Fence(Run, Second).Accepted);
        Assert.False(waiting.IsCancellationRequested);
        Assert.Equal([Second], transport.Fenced);
    }

    [Fact]
    public async Task A_version_is_written_by_its_first_seat_in_the_term_in_force_alone()
    {
        holdings.Fence(Run, Second);
        Hold(Second, layer: 1, version: 0);
        Assert.Contains("term", (await Write(First)).Refusal, StringComparison.Ordinal);
        Assert.NotNull((await Write(Second, version: 7)).Refusal);

        Task<FilesReply> Write(Term term, int version = 0) =>
            holdings.Write(Run, term, version, static (_, _) => throw new InvalidOperationException("written all the same"));
    }

    [Fact]
    public async Task A_run_is_dropped_by_its_own_term_and_by_later_ones()
    {
        holdings.Fence(Run, Second);
        await holdings.End(Run, First);
        Assert.Equal([Run], store.RunIds);
        var waiting = store.Run(Run).TermToken;
        await holdings.End(Run, Second);
        Assert.Empty(store.RunIds);
        Assert.True(waiting.IsCancellationRequested);
        Assert.Equal([Run], transport.Forgotten);
        Assert.Equal([Run], batches.Forgotten);
        // A copy of the message finds nothing.
        await holdings.End(Run, Second);
        Assert.Single(transport.Forgotten);
    }

    public void Dispose() => device.Dispose();

    /// <summary>A seat of this silo, with a version that has no tensors.</summary>
    private void Hold(Term term, int layer, int version)
    {
        var protocol = store.Run(Run).Protocol;
        var plan = new SeatPlan
        {
            Silos = [],
            Seats = [new Seat(layer, Replica: 0, "a", Active: true)],
            Layers = layer + 1,
            Replicas = 1,
            Positions = [layer],
        };
        Assert.True(protocol.Start(term, plan, version).Accepted);
        Assert.True(protocol.Held(term, layer, version).Accepted);
    }

    private sealed class Details : ILocalSiloDetails
    {
        internal static readonly SiloAddress Address = SiloAddress.New(IPAddress.Loopback, 11111, 1);

        public string Name => "a";

        public string ClusterId => "";

        public string DnsHostName => "";

        public SiloAddress SiloAddress => Address;

        public SiloAddress GatewayAddress => Address;
    }

    private sealed class FakeBatches : IBatchSource
    {
        internal List<string> Forgotten { get; } = [];

        public Task<Microbatch> Get(string runId, BatchKey key) => throw new NotSupportedException();

        public void Forget(string runId) => Forgotten.Add(runId);
    }

    private sealed class FakeTransport : ITensorTransport
    {
        internal List<Term> Fenced { get; } = [];

        internal List<string> Forgotten { get; } = [];

        public Endpoint Endpoint { get; } = new("127.0.0.1", 12345);

        public Task<TensorRef> Send(string runId, Term term, PlannedSilo target, torch.Tensor tensor, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public Task<torch.Tensor> Receive(string runId, Term term, TensorRef reference, CancellationToken cancellation) =>
            throw new NotSupportedException();

        public void Fence(string runId, Term term) => Fenced.Add(term);

        public void Forget(string runId) => Forgotten.Add(runId);
    }
}
