using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Agents;

namespace Peft.Orleans.Silo;

/// <summary>
/// A local silo lives as long as its client: when standard input closes, runs finish their step and snapshot, then the silo ends.
/// </summary>
internal static class ParentWatch
{
    internal static async Task Run(WebApplication app)
    {
        using var input = Console.OpenStandardInput();
        var buffer = new byte[64];
        while (await input.ReadAsync(buffer) > 0)
        {
            // Whatever is written there has no meaning; only the end counts.
        }

        var store = app.Services.GetRequiredService<AgentStore>();
        var grains = app.Services.GetRequiredService<IGrainFactory>();
        try
        {
            var stopping = store.TrainingRuns.Select(run => StopRun(grains.GetGrain<IRunGrain>(run)));
            await Task.WhenAll(stopping).WaitAsync(ClusterTimes.Current.OrderlyEnd);
        }
        catch (Exception error)
        {
            app.Logger.LogWarning(error, "the runs did not stop in order; the last snapshot stands");
        }

        await app.StopAsync();
    }

    private static async Task StopRun(IRunGrain run)
    {
        await run.Stop(snapshot: true);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        do
        {
            var status = await run.GetStatus();
            if (status.State is RunState.Completed or RunState.Failed or RunState.Stopped) return;
        }
        while (await timer.WaitForNextTickAsync());
    }
}
