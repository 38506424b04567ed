using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Silo.Tests;

/// <summary>Messages of the protocol that come late or twice, and clocks that jump.</summary>
public sealed class HostileNetworkTests
{
    [Theory]
    [InlineData("1", 1)]
    [InlineData("2", 2)]
    public async Task Late_and_doubled_messages_and_jumping_clocks_change_no_bit(string replicas, int seed)
    {
        string? undisturbed;
        string[] losses;
        await using (var quiet = await InProcessSilos.Start(1, static _ => { }))
        {
            undisturbed = (await quiet.Run("quiet", steps: 6, replicas)).AdapterSha256;
            losses = quiet.Losses("quiet");
        }

        var faults = new Faults(seed);
        var clock = new JumpingClock(seed);
        await using var silos = await InProcessSilos.Start(2, services => services
            .AddSingleton<ISiloAgents>(provider => new FaultyAgents(new SiloAgents(provider), faults))
            .AddSingleton(new WallClock(clock)));
        clock.Begin();
        var status = await silos.Run("disturbed", steps: 6, replicas);
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.Equal(undisturbed, status.AdapterSha256);
        Assert.Equal(losses, silos.Losses("disturbed"));
        clock.GetUtcNow();
        Assert.NotEqual(TimeSpan.Zero, clock.Offset);
        Assert.True(faults.Doubled > 10, $"only {faults.Doubled} messages were doubled");
    }

    private sealed class Faults(int seed)
    {
        private readonly Random random = new(seed);
        private int doubled;

        internal int Doubled => doubled;

        /// <summary>Delivers late, and half the time once more, later still.</summary>
        internal async Task<T> Deliver<T>(Func<Task<T>> send)
        {
            int delay, again;
            lock (random) (delay, again) = (random.Next(15), random.Next(2) == 0 ? random.Next(60) : -1);
            await Task.Delay(delay);
            if (again >= 0)
            {
                Interlocked.Increment(ref doubled);
                _ = Again(send, again);
            }

            return await send();
        }

        private static async Task Again<T>(Func<Task<T>> send, int delay)
        {
            try
            {
                await Task.Delay(delay);
                await send();
            }
            catch (Exception)
            {
                // A copy may be refused, or come when the run is over: nobody waits for its answer.
            }
        }
    }

    private sealed class FaultyAgents(ISiloAgents agents, Faults faults) : ISiloAgents
    {
        public ISiloAgent At(SiloAddress address) => new FaultyAgent(agents.At(address), faults);
    }

    private sealed class FaultyAgent(ISiloAgent agent, Faults faults) : ISiloAgent
    {
        public Task<FenceReply> Fence(string runId, Term term) => faults.Deliver(() => agent.Fence(runId, term));

        public Task<StartReply> Start(StartMessage message) => faults.Deliver(() => agent.Start(message));

        public Task<VersionsReply> Initialize(string runId, Term term, int pass) =>
            faults.Deliver(() => agent.Initialize(runId, term, pass));

        public Task<PrepareReply> Prepare(string runId, Term term, int step) => faults.Deliver(() => agent.Prepare(runId, term, step));

        public Task<VersionsReply> Apply(ApplyMessage message) => faults.Deliver(() => agent.Apply(message));

        public Task<VersionsReply> Protect(string runId, Term term, int version) =>
            faults.Deliver(() => agent.Protect(runId, term, version));

        public Task<VersionsReply> Put(PutMessage message) => faults.Deliver(() => agent.Put(message));

        public Task<DoneReply> Reduce(ReduceMessage message) => faults.Deliver(() => agent.Reduce(message));

        public Task<SumsReply> SendSums(SendSumsMessage message) => agent.SendSums(message);

        public Task<DoneReply> TakeSums(TakeSumsMessage message) => faults.Deliver(() => agent.TakeSums(message));

        public Task<SendReply> Send(string runId, Term term, int[] layers, int version, PlannedSilo target) =>
            agent.Send(runId, term, layers, version, target);

        public Task Preload(RunDefinition run, int[] layers) => agent.Preload(run, layers);

        public Task<FilesReply> WriteSnapshot(string runId, Term term, int version, string folder) =>
            agent.WriteSnapshot(runId, term, version, folder);

        public Task<FilesReply> WriteAdapter(string runId, Term term, int version, string folder) =>
            agent.WriteAdapter(runId, term, version, folder);

        public Task End(string runId, Term term) => agent.End(runId, term);

        public Task LeaveOut(string runId, Term term, string reason) => agent.LeaveOut(runId, term, reason);

        public Task<string[]> Unreachable(PlannedSilo[] silos) => agent.Unreachable(silos);

        public Task<AgentReport> Describe() => agent.Describe();
    }

    /// <summary>
    /// A wall clock that is set an hour forward or back a hundred times a second; what measures durations goes on as it should.
    /// </summary>
    private sealed class JumpingClock(int seed) : TimeProvider
    {
        private readonly Random random = new(seed);
        private DateTimeOffset since = DateTimeOffset.MaxValue;
        private long jumps;

        internal TimeSpan Offset { get; private set; }

        internal void Begin()
        {
            lock (random) since = base.GetUtcNow();
        }

        public override DateTimeOffset GetUtcNow()
        {
            lock (random)
            {
                var now = base.GetUtcNow();
                for (; jumps < (now - since).TotalMilliseconds / 10; jumps++)
                    Offset = TimeSpan.FromMinutes(random.Next(1, 60) * (random.Next(2) == 0 ? 1 : -1));
                return now + Offset;
            }
        }
    }
}
