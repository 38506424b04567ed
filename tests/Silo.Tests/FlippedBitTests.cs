using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

namespace Peft.Orleans.Silo.Tests;

/// <summary>
/// One bit flips in the memory of one of two silos, in a tensor of the step under way: the silo is named and evicted, and the run goes on
/// to the bytes of an undisturbed one.
/// </summary>
public sealed class FlippedBitTests(FlippedBitTests.Undisturbed undisturbed) : IClassFixture<FlippedBitTests.Undisturbed>
{
    private const int Steps = 4;

    private const string Lora = "{ name: lora, lora: { rank: 4, alpha: 8 } }";

    private const string Hybrid =
        "{ name: hybrid, lora: { rank: 4, alpha: 8 }, boft: { block_size: 8, butterfly_factors: 1 }, lora_ga: { gradient_samples: 2 } }";

    [Theory]
    [InlineData("gradient", "1")]
    [InlineData("gradient", "2")]
    [InlineData("version", "2")]
    [InlineData("copied version", "1")]
    [InlineData("activation", "2")]
    public async Task The_silo_is_evicted_and_no_byte_differs(string where, string replicas)
    {
        await using var silos = await FlippingSilos.Start(where, always: false);
        var status = await silos.Run("flipped", replicas, Lora);
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.True(silos.Flipped == 1, $"{silos.Flipped} bits were flipped");
        var evicted = Assert.Single(silos.Events("flipped", "evicted"));
        Assert.Equal("silo-1", evicted.GetProperty("silo").GetString());
        Assert.Contains("changed in memory", evicted.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(undisturbed.Lora.Sha256, status.AdapterSha256);
        Assert.Equal(undisturbed.Lora.Losses, silos.Losses("flipped"));
    }

    [Fact]
    public async Task Where_seats_differ_the_step_made_again_tells_which_silo_was_wrong()
    {
        await using var silos = await FlippingSilos.Start("measure", always: false);
        var status = await silos.Run("flipped", "2", Hybrid);
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.True(silos.Flipped == 1, $"{silos.Flipped} bits were flipped");
        var evicted = Assert.Single(silos.Events("flipped", "evicted"));
        Assert.Equal("silo-1", evicted.GetProperty("silo").GetString());
        Assert.Contains("computed other bytes of layer", evicted.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(undisturbed.Hybrid.Sha256, status.AdapterSha256);
        Assert.Equal(undisturbed.Hybrid.Losses, silos.Losses("flipped"));
    }

    [Fact]
    public async Task Where_two_seats_differ_in_the_same_way_again_the_run_stops_and_names_both()
    {
        await using var silos = await FlippingSilos.Start("measure", always: true);
        var status = await silos.Run("flipped", "2", Hybrid);
        Assert.Equal(RunState.Failed, status.State);
        Assert.Contains("no third to tell which of them is wrong", status.Message, StringComparison.Ordinal);
        Assert.Contains("silo-0: ", status.Message, StringComparison.Ordinal);
        Assert.Contains("silo-1: ", status.Message, StringComparison.Ordinal);
        Assert.Equal(undisturbed.Hybrid.Losses[..2], silos.Losses("flipped"));
        Assert.Empty(silos.Events("flipped", "evicted"));
    }

    /// <summary>Two samples a step; a microbatch of one goes to each of two replicas.</summary>
    private const string Batch = "global_batch: 2, microbatch: 1";

    /// <summary>What runs on one silo leave, without any fault.</summary>
    public sealed class Undisturbed : IAsyncLifetime
    {
        internal (string? Sha256, string[] Losses) Lora { get; private set; }

        internal (string? Sha256, string[] Losses) Hybrid { get; private set; }

        public async ValueTask InitializeAsync()
        {
            await using var silos = await InProcessSilos.Start(1, static _ => { });
            Lora = await Run("lora", FlippedBitTests.Lora);
            Hybrid = await Run("hybrid", FlippedBitTests.Hybrid);

            async Task<(string?, string[])> Run(string id, string method)
            {
                var status = await silos.Run(id, Steps, method: method, batch: Batch);
                Assert.True(status.State == RunState.Completed, status.Message);
                return (status.AdapterSha256, silos.Losses(id));
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>Two silos, the second of which has a bit that flips in step 3; the coordinator is on the first.</summary>
    private sealed class FlippingSilos : IAsyncDisposable
    {
        private const int Step = 3;

        private readonly string where;
        private readonly bool always;
        private InProcessSilos silos = null!;
        private int flipped;

        private FlippingSilos(string where, bool always) => (this.where, this.always) = (where, always);

        internal int Flipped => flipped;

        internal static async Task<FlippingSilos> Start(string where, bool always)
        {
            var flipping = new FlippingSilos(where, always);
            flipping.silos = await InProcessSilos.Start(2, services => services
                .AddSingleton<IFatalErrorHandler, StaysAlive>()
                .AddSingleton<ISiloAgents>(provider => new Agents(new SiloAgents(provider), flipping))
                .AddSingleton<ITensorTransport>(provider => new Transport(
                    ActivatorUtilities.CreateInstance<TcpTensorTransport>(provider),
                    flipping,
                    provider.GetRequiredService<SiloIdentity>())));
            flipping.silos.EndsAtOnce = true;
            return flipping;
        }

        internal Task<RunStatus> Run(string id, string replicas, string method) =>
            silos.Run(id, Steps, replicas, method: method, batch: Batch, coordinator: Address(0));

        internal string[] Losses(string id) => silos.Losses(id);

        internal System.Text.Json.JsonElement[] Events(string id, string name) => silos.Events(id, name);

        public ValueTask DisposeAsync() => silos.DisposeAsync();

        private SiloAddress Address(int silo) => silos.Services(silo).GetRequiredService<ILocalSiloDetails>().SiloAddress;

        /// <summary>Just before a message reaches the second silo.</summary>
        private Task Before(string message, string runId, int step)
        {
            var (at, of) = where switch
            {
                "gradient" or "version" => ("Prepare", Step),
                "measure" => ("Apply", Step),
                "copied version" => ("Protect", Step),
                _ => ("", 0),
            };
            if (message != at || step != of) return Task.CompletedTask;
            var store = silos.Services(1).GetRequiredService<AgentStore>();
            var run = store.Find(runId)!;
            return store.Device.Run(DevicePriority.Backward, () =>
            {
                if (!always && Interlocked.Exchange(ref flipped, 1) != 0) return 0;
                var trained = run.Protocol.Plan!.ActiveLayersOn("silo-1").First(index => run.Layers[index].Shard.Layout.Size > 0);
                var layer = run.Layers[trained];
                switch (where)
                {
                    case "gradient": Flip(layer.Tree!.Nodes[0].Sum); break;
                    case "version": Flip(layer.Version(Step - 1).Parameters); break;
                    case "copied version": Flip(layer.Version(Step).Parameters); break;
                    default:
                        var lambda = layer.Measure!.NextLambda;
                        lambda[0] = BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(lambda[0]) ^ 1);
                        break;
                }

                return 0;
            });
        }

        private static void Flip(Tensor tensor)
        {
            var bytes = tensor.bytes;
            bytes[bytes.Length / 2] ^= 1 << 4;
        }

        private sealed class Agents(ISiloAgents agents, FlippingSilos flipping) : ISiloAgents
        {
            public ISiloAgent At(SiloAddress address) =>
                address.Equals(flipping.Address(1)) ? new PassedOnAgent(agents.At(address), flipping.Before) : agents.At(address);
        }

        /// <summary>
        /// Of the second silo: what came for a layer's forward pass of step 3 waits for the gradient to come back, and a bit of it flips
        /// once the layer has sent its output on.
        /// </summary>
        private sealed class Transport(ITensorTransport transport, FlippingSilos flipping, SiloIdentity self) : ITensorTransport
        {
            private Tensor? waiting;

            public Endpoint Endpoint => transport.Endpoint;

            public Task<TensorRef> Send(string runId, Term term, PlannedSilo target, Tensor tensor, CancellationToken cancellation)
            {
                if (Interlocked.Exchange(ref waiting, null) is { } input)
                {
                    Flip(input);
                    input.Dispose();
                }

                return transport.Send(runId, term, target, tensor, cancellation);
            }

            public async Task<Tensor> Receive(string runId, Term term, TensorRef reference, CancellationToken cancellation)
            {
                var tensor = await transport.Receive(runId, term, reference, cancellation);
                // Copies of versions are flat.
                if (flipping.where == "activation" && self.Name == "silo-1" && tensor.dim() > 1 && IsInStep(runId)
                    && Interlocked.Exchange(ref flipping.flipped, 1) == 0)
                    waiting = tensor.alias().DetachFromDisposeScope();
                return tensor;
            }

            public void Fence(string runId, Term term) => transport.Fence(runId, term);

            public void Forget(string runId) => transport.Forget(runId);

            private bool IsInStep(string runId) =>
                flipping.silos.Services(1).GetRequiredService<AgentStore>().Find(runId)?.Protocol is { Plan: not null } protocol
                && protocol.Holds(protocol.Plan.ActiveLayersOn("silo-1")[0], Step - 1);
        }
    }

    /// <summary>Both silos are this process, which does not end when one of them is declared dead.</summary>
    private sealed class StaysAlive : IFatalErrorHandler
    {
        public bool IsUnexpected(Exception exception) => false;

        public void OnFatalException(object? sender = null, string? context = null, Exception? exception = null)
        {
        }
    }
}
