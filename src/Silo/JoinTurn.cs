using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Silo;

/// <summary>
/// Silos of a local cluster join one after the other. Started together they would write their first membership row at the same moment; the
/// one that loses the compare-and-set would wait for seconds before it tries again. The turn is a locked file, which the operating system
/// gives back whatever becomes of its holder.
/// </summary>
internal sealed class JoinTurn(string clusterFolder) : ILifecycleParticipant<ISiloLifecycle>
{
    private const string FileName = "join.lock";

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    private FileStream? turn;

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle observer)
    {
        observer.Subscribe(nameof(JoinTurn), ServiceLifecycleStage.AfterRuntimeGrainServices - 1, Take, _ => GiveBack());
        observer.Subscribe(nameof(JoinTurn), ServiceLifecycleStage.Active, _ => GiveBack());
    }

    private async Task Take(CancellationToken cancellation)
    {
        var path = Path.Combine(clusterFolder, FileName);
        var begun = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(Poll);
        do
        {
            try
            {
                turn = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                return;
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(begun) < ClusterTimes.Current.JoinTurn)
            {
                // Another silo is joining. Whoever takes longer is frozen: to lose the race costs less than to wait for it.
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Without a turn a silo joins too, perhaps later.
                return;
            }
        }
        while (await timer.WaitForNextTickAsync(cancellation));
    }

    private Task GiveBack()
    {
        turn?.Dispose();
        turn = null;
        return Task.CompletedTask;
    }
}
