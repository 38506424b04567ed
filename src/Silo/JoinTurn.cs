using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Silo.Stores;

namespace Peft.Orleans.Silo;

/// <summary>
/// Silos of a cluster join one after the other. Started together they would write their first membership row at the same moment; the
/// one that loses the compare-and-set would wait for seconds before it tries again.
/// </summary>
internal sealed class JoinTurn(ClusterStore store) : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    private IAsyncDisposable? turn;

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle observer)
    {
        observer.Subscribe(nameof(JoinTurn), ServiceLifecycleStage.AfterRuntimeGrainServices - 1, Take, _ => GiveBack());
        observer.Subscribe(nameof(JoinTurn), ServiceLifecycleStage.Active, _ => GiveBack());
    }

    private async Task Take(CancellationToken cancellation)
    {
        var begun = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(Poll);
        do
        {
            try
            {
                turn = await store.TryTakeTurn();
                // Whoever takes longer is frozen: to lose the race costs less than to wait for it.
                if (turn is not null || TimeProvider.System.GetElapsedTime(begun) >= ClusterTimes.Current.JoinTurn) return;
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                // Without a turn a silo joins too, perhaps later.
                return;
            }
        }
        while (await timer.WaitForNextTickAsync(cancellation));
    }

    private async Task GiveBack()
    {
        var held = turn;
        turn = null;
        if (held is not null) await held.DisposeAsync();
    }
}
