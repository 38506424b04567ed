using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Figures;

/// <summary>How far a run is.</summary>
internal sealed class ProgressInstruments
{
    private readonly FigureSet figures;
    private readonly FigureSet silo;
    private bool recovering;

    internal ProgressInstruments(FigureSet figures, FigureSet silo, Func<RunStatus> status)
    {
        (this.figures, this.silo) = (figures, silo);
        figures.Ask(ProgressMetrics.State, () => States(Word(status().State)));
        figures.Ask(ProgressMetrics.Step, () => status().Step);
        figures.Ask(ProgressMetrics.Planned, () => status().Steps);
    }

    /// <summary>A step is committed: nothing is being mended any more.</summary>
    internal void Committed()
    {
        recovering = false;
        figures.Add(ProgressMetrics.Steps, 1);
    }

    /// <summary>Something was lost.</summary>
    internal void Lost() => recovering = true;

    /// <summary>The run has ended.</summary>
    internal void Ended(RunState state) => silo.Add(ProgressMetrics.Ended, 1, state.ToString().ToLowerInvariant());

    private string Word(RunState state) =>
        recovering && state is (RunState.Starting or RunState.Running) ? "recovering" : state.ToString().ToLowerInvariant();

    private static IEnumerable<(string, double)> States(string now) =>
        MetricLabel.RunState.Values.Select(state => (state, state == now ? 1.0 : 0));
}
