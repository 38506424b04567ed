using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Silo.Stores;

/// <summary>
/// Asks the store for this silo's own membership row. A store that does not answer is waited for: the silos know each other, and go on.
/// One that answers without the row has lost what it held (a Redis server that keeps nothing on disk was started again, a database was put
/// back): the silo ends, as no plan can be made over a membership it is not in.
/// </summary>
internal sealed partial class StoreWatch(
    ClusterStore store,
    IMembershipTable table,
    ClusterRoster roster,
    ILocalSiloDetails self,
    FigureBoard board,
    IHostApplicationLifetime host,
    ILogger<StoreWatch> log) : ILifecycleParticipant<ISiloLifecycle>
{
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Whether the store has lost this silo's row.</summary>
    internal bool Lost { get; private set; }

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle observer) => observer.Subscribe(nameof(StoreWatch), ServiceLifecycleStage.Active, Start, Stop);

    private Task Start(CancellationToken cancellation)
    {
        _ = Watch();
        return Task.CompletedTask;
    }

    private Task Stop(CancellationToken cancellation) => stopping.CancelAsync();

    private async Task Watch()
    {
        var away = false;
        Noted(away);
        try
        {
            using var timer = new PeriodicTimer(ClusterTimes.Current.MembershipRefresh);
            while (await timer.WaitForNextTickAsync(stopping.Token))
            {
                try
                {
                    // Orleans' own table does not tell an empty server from one that is away.
                    var known = await store.HoldsCluster()
                        && (await table.ReadRowAsync(self.SiloAddress, stopping.Token)).Members.Count > 0;
                    if (away) LogBack();
                    // Orleans' own reading waits longer after each failure.
                    if (away && known) await roster.Live();
                    Noted(away = false);
                    if (known) continue;
                    Lost = true;
                    LogLost();
                    host.StopApplication();
                    return;
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    if (!away) LogAway(error.Message);
                    Noted(away = true);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // This silo stops.
        }
    }

    private void Noted(bool away) => board.Silo.Set(StorageMetrics.StoreAvailable, away ? 0 : 1);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the cluster's store does not answer; what is under way goes on: {Reason}")]
    private partial void LogAway(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "the cluster's store answers again")]
    private partial void LogBack();

    [LoggerMessage(Level = LogLevel.Error, Message = "the cluster's store has lost the row of this silo: it ends")]
    private partial void LogLost();
}
