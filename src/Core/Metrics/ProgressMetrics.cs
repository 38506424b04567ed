namespace Peft.Orleans.Core.Metrics;

/// <summary>How far a run is.</summary>
public static class ProgressMetrics
{
    /// <summary>State of a run.</summary>
    public static Metric State { get; } = new("peft.run.state", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.RunState,
        Meaning = "1 for the state that the run is in, 0 for all others; `recovering` from a loss until the next committed step",
        Bad = "`failed`: its message says why; `paused`: it waits for silos or room on the disk; `recovering` for minutes: no term "
            + "succeeds",
    };

    /// <summary>Last committed step.</summary>
    public static Metric Step { get; } = new("peft.step", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "last committed step",
        Bad = "it stands still while the state is `running`: the run is stalled",
    };

    /// <summary>Steps of the whole run.</summary>
    public static Metric Planned { get; } = new("peft.steps.planned", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "steps of the whole run",
        Bad = "0 for long: the data set is not open yet",
    };

    /// <summary>Committed steps.</summary>
    public static Metric Steps { get; } = new("peft.steps", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "steps committed since this silo coordinates the run",
        Bad = "its rate is 0: the run is stalled",
    };

    /// <summary>Runs under way.</summary>
    public static Metric Runs { get; } = new("peft.runs", MetricKind.Gauge, MetricOwner.Silo)
    {
        Meaning = "runs under way that this silo coordinates",
        Bad = "more than the cluster has room for: they share its devices",
    };

    /// <summary>Ended runs.</summary>
    public static Metric Ended { get; } = new("peft.runs.ended", MetricKind.Counter, MetricOwner.Silo)
    {
        Label = MetricLabel.Outcome,
        Meaning = "runs that ended while this silo coordinated them",
        Bad = "`failed` grows: `peft-client get runs` shows which, and why",
    };
}
