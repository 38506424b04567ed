using System.Runtime.InteropServices;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Agents;

namespace Peft.Orleans.Silo.Health;

/// <summary>
/// How a silo ends that is told to (SIGTERM, SIGINT): it takes no seats any more, and asks the runs that train here until they have nothing
/// of it; then, between two of their steps, it shuts down. Nothing depends on it: a silo that is killed on the way is a silo lost. A second
/// signal ends the wait.
/// </summary>
internal sealed partial class Departing(
    AgentStore store, ILocalSiloDetails self, IGrainFactory grains, IHostApplicationLifetime host, ILogger<Departing> log)
    : IHostLifetime, IDisposable
{
    private readonly List<PosixSignalRegistration> signals = [];
    private readonly CancellationTokenSource impatient = new();
    private int told;

    /// <summary>Whether it was told to leave.</summary>
    internal bool Told => told > 0;

    /// <inheritdoc/>
    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT])
            signals.Add(PosixSignalRegistration.Create(signal, Heard));
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        signals.ForEach(static signal => signal.Dispose());
        impatient.Dispose();
    }

    /// <summary>Leaves; returns when the silo may shut down, whatever has become of its runs.</summary>
    internal async Task Leave(CancellationToken cancellation)
    {
        store.Seats.Withdraw();
        if (store.TrainingRuns.Count == 0) return;
        LogLeaving(string.Join(", ", store.TrainingRuns), ClusterTimes.Current.Leave.TotalSeconds);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ClusterTimes.Current.Leave);
        try
        {
            while (!(await Task.WhenAll(store.TrainingRuns.Select(run => MayGo(run, limit.Token)))).All(static free => free))
                await Task.Delay(ClusterTimes.Current.RetryFirst, limit.Token);
            LogFree();
        }
        catch (OperationCanceledException)
        {
            LogNotFree(string.Join(", ", store.TrainingRuns));
        }
    }

    private async Task<bool> MayGo(string run, CancellationToken cancellation)
    {
        try
        {
            return await grains.GetGrain<IRunGrain>(run).Leave(self.SiloAddress.ToParsableString()).WaitAsync(cancellation);
        }
        catch (Exception error) when (error is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            // Its coordinator is on its way to another silo, or does not answer yet.
            return false;
        }
    }

    private void Heard(PosixSignalContext signal)
    {
        signal.Cancel = true;
        if (Interlocked.Increment(ref told) > 1) impatient.Cancel();
        else _ = LeaveAndStop();
    }

    private async Task LeaveAndStop()
    {
        // Not started yet, there is nothing to hand over.
        if (host.ApplicationStarted.IsCancellationRequested) await Leave(impatient.Token);
        host.StopApplication();
    }

    [LoggerMessage(
        Level = LogLevel.Information, Message = "told to leave: {Runs} go on without this silo, which waits for it up to {Seconds} s")]
    private partial void LogLeaving(string runs, double seconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "the runs have nothing of this silo any more; it shuts down")]
    private partial void LogFree();

    [LoggerMessage(Level = LogLevel.Warning, Message = "the silo shuts down before {Runs} went on without it: to them it is lost")]
    private partial void LogNotFree(string runs);
}
