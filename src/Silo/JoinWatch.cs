using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Silo;

/// <summary>A silo that was added to a local run by hand ends with the run: left alone it would keep the run's cluster alive.</summary>
internal static class JoinWatch
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(0.5);

    internal static async Task Run(WebApplication app, string runFolder)
    {
        var run = app.Services.GetRequiredService<IGrainFactory>().GetGrain<IRunGrain>(Path.GetFileName(runFolder));
        var joined = TimeProvider.System.GetTimestamp();
        var active = false;
        using var timer = new PeriodicTimer(Poll);
        while (!app.Lifetime.ApplicationStopping.IsCancellationRequested && await timer.WaitForNextTickAsync())
        {
            try
            {
                var state = (await run.GetStatus()).State;
                var ended = state is RunState.Completed or RunState.Failed or RunState.Stopped;
                active |= !ended;
                // A run that is being resumed tells its former end until its coordinator has begun.
                if (!ended || (!active && TimeProvider.System.GetElapsedTime(joined) < ClusterTimes.Current.JoinedRun)) continue;
                app.Logger.LogInformation("the run has ended ({State}); this silo joined it by hand and ends too", state);
                await app.StopAsync();
                return;
            }
            catch (Exception error) when (error is PeftException or OrleansException or TimeoutException)
            {
                // The coordinator's silo is being replaced, or the run has not begun.
            }
        }
    }
}
