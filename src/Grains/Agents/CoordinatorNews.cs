using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// What this silo notices of others, told to the coordinators of the runs that train here, wherever they are: every change of the
/// membership, and a neighbour that does not answer. A coordinator whose silo died is brought to life by it.
/// </summary>
internal sealed class CoordinatorNews(
    AgentStore store, PeerWatch peers, IClusterMembershipService membership, IGrainFactory grains) : ILifecycleParticipant<ISiloLifecycle>
{
    private readonly CancellationTokenSource stopping = new();

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle observer) =>
        observer.Subscribe(nameof(CoordinatorNews), ServiceLifecycleStage.RuntimeGrainServices, Start, Stop);

    private Task Start(CancellationToken cancellation)
    {
        peers.Silent += silent => Tell(run => run.PeerUnreachable(store.Identity.Name, silent));
        _ = Follow();
        return Task.CompletedTask;
    }

    private async Task Stop(CancellationToken cancellation)
    {
        peers.Dispose();
        await stopping.CancelAsync();
    }

    private async Task Follow()
    {
        try
        {
            await foreach (var _ in membership.MembershipUpdates.WithCancellation(stopping.Token).ConfigureAwait(false))
                Tell(static run => run.MembershipChanged());
        }
        catch (OperationCanceledException)
        {
            // This silo stops.
        }
    }

    private void Tell(Func<IRunGrain, Task> news)
    {
        foreach (var run in store.TrainingRuns) news(grains.GetGrain<IRunGrain>(run)).Ignore();
    }
}
