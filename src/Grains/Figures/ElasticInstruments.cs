using System.Diagnostics;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Figures;

/// <summary>How a run bears silos that come and go.</summary>
internal sealed class ElasticInstruments
{
    private readonly FigureSet figures;
    private long snapshotAt = Stopwatch.GetTimestamp();
    private TimeSpan snapshotBefore;
    private int snapshotStep;
    private (int Steps, int Dropped, int Repeated) found;

    internal ElasticInstruments(FigureSet figures, ResolvedRun run, Func<RunStatus> status)
    {
        this.figures = figures;
        figures.Ask(ElasticMetrics.Term, () => status().Term);
        figures.Ask(ElasticMetrics.Recoveries, () => status().Recoveries);
        figures.Ask(ElasticMetrics.SnapshotAge, () => (Stopwatch.GetElapsedTime(snapshotAt) + snapshotBefore).TotalSeconds);
        figures.Ask(ElasticMetrics.SnapshotAgeSteps, () => Math.Max(0, status().Step - snapshotStep));
        figures.Set(ElasticMetrics.SnapshotInterval, run.Spec.Snapshots.Every);
        Planned(null);
    }

    /// <summary>Who sits where from now on; null: nobody yet.</summary>
    internal void Planned(SeatPlan? plan)
    {
        figures.Clear(ElasticMetrics.Slowdown);
        var seats = plan?.Seats ?? [];
        figures.Set(ElasticMetrics.Silos, seats.Where(static seat => seat.Active).Select(static seat => seat.Silo).Distinct().Count());
        figures.Set(ElasticMetrics.Standbys, plan?.Standbys.Count() ?? 0);
        figures.Set(ElasticMetrics.UnprotectedLayers, seats.GroupBy(static seat => seat.Layer)
            .Count(static layer => layer.Select(static seat => seat.Silo).Distinct().Count() == 1));
    }

    /// <summary>Whom the run does without, as its coordinator knows it whenever somebody asks.</summary>
    internal void Without(Func<int> leftOut, Func<int> outside)
    {
        figures.Ask(ElasticMetrics.LeftOut, () => leftOut());
        figures.Ask(ElasticMetrics.Outside, () => outside());
    }

    /// <summary>A silo was declared dead.</summary>
    internal void Evicted() => figures.Add(ElasticMetrics.Evictions, 1);

    /// <summary>The first step after a loss is committed.</summary>
    /// <param name="phases">Seconds of each phase since the term was drawn.</param>
    internal void Recovered(IReadOnlyDictionary<string, double> phases)
    {
        foreach (var (phase, seconds) in phases) figures.Add(ElasticMetrics.RecoveryPhase, seconds, phase);
        figures.Record(ElasticMetrics.RecoveryDuration, phases.Values.Sum());
    }

    /// <summary>A term begins at a step.</summary>
    /// <param name="replayed">Committed steps that it makes again.</param>
    internal void Began(int replayed) => figures.Add(ElasticMetrics.StepsReplayed, replayed);

    /// <summary>What the run's files lack when a term opens them; what an earlier one has found counts once.</summary>
    /// <param name="steps">Committed steps that are not there.</param>
    /// <param name="dropped">Microbatches that are not there.</param>
    /// <param name="repeated">Microbatches that are there more than once.</param>
    internal void Found(int steps, int dropped, int repeated)
    {
        figures.Add(ElasticMetrics.StepsLost, Math.Max(0, steps - found.Steps));
        figures.Add(ElasticMetrics.SamplesDropped, Math.Max(0, dropped - found.Dropped));
        figures.Add(ElasticMetrics.SamplesRepeated, Math.Max(0, repeated - found.Repeated));
        found = (steps, dropped, repeated);
    }

    /// <summary>A step made again has other microbatches than it had.</summary>
    internal void SamplesDiffer(int dropped, int repeated)
    {
        figures.Add(ElasticMetrics.SamplesDropped, dropped);
        figures.Add(ElasticMetrics.SamplesRepeated, repeated);
    }

    /// <summary>There is a snapshot.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="age">Time since it was written.</param>
    internal void Snapshot(int step, TimeSpan age) => (snapshotStep, snapshotAt, snapshotBefore) = (step, Stopwatch.GetTimestamp(), age);

    /// <summary>Two seats of a layer were compared.</summary>
    internal void Compared(bool equal) => figures.Add(ElasticMetrics.Comparisons, 1, equal ? "true" : "false");

    /// <summary>Each silo's time per unit of work over the fastest silo's.</summary>
    internal void Slowdown(IReadOnlyDictionary<string, double> silos)
    {
        foreach (var (silo, factor) in silos) figures.Set(ElasticMetrics.Slowdown, factor, silo);
    }
}
