using System.Diagnostics;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Figures;

/// <summary>The figures of a run that this silo coordinates, an area each.</summary>
internal sealed class RunInstruments
{
    private readonly FigureBoard board;
    private readonly Func<RunStatus> status;
    private readonly FigureSet figures;

    /// <summary>Puts a run on the board.</summary>
    /// <param name="board">The silo's.</param>
    /// <param name="run">The run.</param>
    /// <param name="status">Where it stands.</param>
    /// <param name="recovering">Whether its coordinator was lost.</param>
    internal RunInstruments(FigureBoard board, ResolvedRun run, Func<RunStatus> status, bool recovering = false)
    {
        (this.board, this.status) = (board, status);
        figures = board.Begin(status().RunId);
        Training = new TrainingInstruments(figures, run);
        Progress = new ProgressInstruments(figures, board.Silo, status);
        Elastic = new ElasticInstruments(figures, run, status);
        Storage = new StorageInstruments(figures, status().Folder);
        if (recovering) Progress.Lost();
    }

    /// <summary>How it trains.</summary>
    internal TrainingInstruments Training { get; }

    /// <summary>How far it is.</summary>
    internal ProgressInstruments Progress { get; }

    /// <summary>How it bears silos that come and go.</summary>
    internal ElasticInstruments Elastic { get; }

    /// <summary>What it writes.</summary>
    internal StorageInstruments Storage { get; }

    /// <summary>Everything of a metric, as it is now.</summary>
    internal IReadOnlyList<(string Label, double Value)> Read(Metric metric) => figures.Read(metric);

    /// <summary>This silo does not coordinate the run any more.</summary>
    /// <param name="ended">Whether it has ended: its figures stay a while to be read; else it goes on elsewhere.</param>
    /// <param name="span">The run's span.</param>
    internal void Close(bool ended, Activity? span)
    {
        var state = status().State;
        span?.SetTag("peft.state", ended ? state.ToString().ToLowerInvariant() : "elsewhere");
        if (!ended)
        {
            board.Drop(figures);
            return;
        }

        Progress.Ended(state);
        _ = board.End(figures, ClusterTimes.Current.FiguresKept);
    }
}
