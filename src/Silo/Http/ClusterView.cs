using System.Collections.Concurrent;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Silo.Http;

/// <summary>What the grains of the cluster say to those who watch; however many watch, silos and coordinators are asked once.</summary>
internal sealed class ClusterView
{
    /// <summary>Most runs shown, the newest.</summary>
    internal const int MostRuns = 50;

    private static readonly TimeSpan Age = TimeSpan.FromMilliseconds(400);

    private readonly IGrainFactory grains;
    private readonly TimeProvider time;
    private readonly Recent<IReadOnlyList<SiloStatus>> silos;
    private readonly Recent<IReadOnlyList<RunStatus>> runs;
    private readonly ConcurrentDictionary<string, Recent<IReadOnlyList<SiloStatus>>> seated = new(StringComparer.Ordinal);

    public ClusterView(IGrainFactory grains, TimeProvider time)
    {
        (this.grains, this.time) = (grains, time);
        silos = new(() => Soon(grains.GetGrain<IClusterGrain>(0).Silos()), Age, time);
        runs = new(AskRuns, Age, time);
    }

    /// <summary>Silos that live, and those that membership remembers.</summary>
    internal Task<IReadOnlyList<SiloStatus>> Silos() => silos.Get();

    /// <summary>The newest runs, each where it stands.</summary>
    internal Task<IReadOnlyList<RunStatus>> Runs() => runs.Get();

    /// <summary>Where a run stands; null: there is none of that id, and nothing is asked for it.</summary>
    internal async Task<RunStatus?> Run(string id) => (await Runs()).FirstOrDefault(run => run.RunId == id);

    /// <summary>The silos, with the layers they hold of a run that goes on.</summary>
    internal Task<IReadOnlyList<SiloStatus>> SilosOf(RunStatus run)
    {
        if (HasEnded(run.State)) return Silos();
        return seated.GetOrAdd(
            run.RunId,
            id => new Recent<IReadOnlyList<SiloStatus>>(() => Soon(grains.GetGrain<IRunGrain>(id).GetSilos()), Age, time)).Get();
    }

    /// <summary>A run's steps since one, in points.</summary>
    internal Task<StepCourse> Steps(RunStatus run, int after, int width) => Soon(History(run).Steps(after, width));

    /// <summary>A run's events since one.</summary>
    internal Task<IReadOnlyList<NumberedEvent>> Events(RunStatus run, int after) => Soon(History(run).Events(after));

    /// <summary>What a run trains, and how.</summary>
    internal Task<RunSubject> Subject(RunStatus run) => Soon(History(run).Subject());

    internal static bool HasEnded(RunState state) => state is RunState.Completed or RunState.Failed or RunState.Stopped;

    private async Task<IReadOnlyList<RunStatus>> AskRuns()
    {
        var reported = (await Soon(grains.GetGrain<IRunCatalogGrain>(0).List())).Take(MostRuns).ToArray();
        // The catalogue knows beginnings and ends; how far a run has come, its coordinator knows.
        return await Task.WhenAll(reported.Select(async run => HasEnded(run.State)
            ? run
            : await Soon(grains.GetGrain<IRunGrain>(run.RunId).GetStatus()) with { Created = run.Created }));
    }

    private IRunHistoryGrain History(RunStatus run) => grains.GetGrain<IRunHistoryGrain>(run.RunId);

    /// <summary>A page that is asked every second gets an answer in time, or learns that there is none.</summary>
    private Task<T> Soon<T>(Task<T> call) => call.WaitAsync(ClusterTimes.Current.Answer, time);
}
