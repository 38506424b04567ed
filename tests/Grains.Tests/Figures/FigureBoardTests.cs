using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.Tests.Figures;

/// <summary>What is read of figures, and until when.</summary>
public sealed class FigureBoardTests : IDisposable
{
    private readonly ManualTime time = new();
    private readonly FigureBoard board;

    public FigureBoardTests() => board = new FigureBoard($"silo-{Guid.NewGuid():N}", time);

    [Fact]
    public void Counters_begin_at_zero_with_every_value_that_is_known()
    {
        var run = board.Begin(NewRun());
        foreach (var metric in MetricCatalogue.All.Where(static metric => metric is { Kind: MetricKind.Counter, Owner: MetricOwner.Run }))
        {
            var values = run.Read(metric);
            Assert.Equal(metric.Label?.Values ?? [""], values.Select(static value => value.Label));
            Assert.All(values, static value => Assert.Equal(0, value.Value));
        }

        Assert.Empty(run.Read(TrainingMetrics.Loss));
    }

    [Fact]
    public void Values_beyond_a_labels_bound_are_left_out()
    {
        var run = board.Begin(NewRun());
        for (var layer = 0; layer < 3 * MetricLabel.Layer.Most; layer++) run.Set(TrainingMetrics.Lambda, 0.5, $"{layer}");
        for (var kind = 0; kind < 3 * MetricLabel.Component.Most; kind++) run.Set(TrainingMetrics.ComponentNorm, 1, $"{kind}");
        board.Silo.Ask(ElasticMetrics.MemberState, static () => Enumerable.Range(0, 5000).Select(static i => ($"silo-{i}", 3.0)));
        Assert.Equal(MetricLabel.Layer.Most, run.Read(TrainingMetrics.Lambda).Count);
        Assert.Equal(MetricLabel.Component.Most, run.Read(TrainingMetrics.ComponentNorm).Count);
        Assert.Equal(MetricLabel.Member.Most, board.Silo.Read(ElasticMetrics.MemberState).Count);
        run.Set(TrainingMetrics.Lambda, 0.25, "7");
        Assert.Equal(0.25, run.Read(TrainingMetrics.Lambda).Single(static value => value.Label == "7").Value);
    }

    [Fact]
    public void Figures_of_more_runs_than_the_bound_are_left_out()
    {
        var runs = Enumerable.Range(0, MetricLabel.Run.Most + 20).Select(_ => board.Begin(NewRun())).ToHashSet();
        foreach (var run in runs) run.Set(TrainingMetrics.Loss, 1);
        var seen = Observed(TrainingMetrics.Loss);
        Assert.Equal(MetricLabel.Run.Most, runs.Count(run => seen.Contains((string)run.Owner.Value!)));
    }

    [Fact]
    public async Task An_ended_runs_series_end_after_a_while_and_those_of_one_that_moved_at_once()
    {
        var (ended, moved, stays) = (board.Begin(NewRun()), board.Begin(NewRun()), board.Begin(NewRun()));
        foreach (var run in new[] { ended, moved, stays }) run.Set(TrainingMetrics.Loss, 2);
        var end = board.End(ended, TimeSpan.FromMinutes(1));
        board.Drop(moved);
        Assert.Equal(1, board.Silo.Read(ProgressMetrics.Runs).Single().Value);
        Assert.Equal([true, false, true], Seen(ended, moved, stays));
        time.Pass(TimeSpan.FromSeconds(59));
        Assert.Equal([true, false, true], Seen(ended, moved, stays));
        time.Pass(TimeSpan.FromSeconds(2));
        await end;
        Assert.Equal([false, false, true], Seen(ended, moved, stays));
    }

    [Fact]
    public async Task A_run_that_begins_again_is_not_ended_by_its_former_end()
    {
        var id = NewRun();
        var end = board.End(board.Begin(id), TimeSpan.FromMinutes(1));
        var again = board.Begin(id);
        again.Set(TrainingMetrics.Loss, 2);
        time.Pass(TimeSpan.FromMinutes(2));
        await end;
        Assert.Equal([true], Seen(again));
    }

    public void Dispose() => board.Dispose();

    private static string NewRun() => $"run-{Guid.NewGuid():N}";

    private static bool[] Seen(params FigureSet[] runs)
    {
        var seen = Observed(TrainingMetrics.Loss);
        return [.. runs.Select(run => seen.Contains((string)run.Owner.Value!))];
    }

    /// <summary>Runs that a reader of the meter sees; other tests' too.</summary>
    private static HashSet<string> Observed(Metric metric)
    {
        var seen = new HashSet<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == MetricCatalogue.Meter && instrument.Name == metric.Name) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) => seen.Add((string)tags[0].Value!));
        listener.Start();
        listener.RecordObservableInstruments();
        return seen;
    }

    /// <summary>Time that passes when it is told to.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private readonly List<(TimeSpan Due, Action Call)> timers = [];
        private TimeSpan now;

        internal void Pass(TimeSpan span)
        {
            now += span;
            foreach (var (_, call) in timers.Where(timer => timer.Due <= now).ToArray()) call();
            timers.RemoveAll(timer => timer.Due <= now);
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            timers.Add((now + dueTime, () => callback(state)));
            return new Timer();
        }

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
