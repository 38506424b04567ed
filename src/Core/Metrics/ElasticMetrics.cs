namespace Peft.Orleans.Core.Metrics;

/// <summary>How runs bear silos that come and go.</summary>
public static class ElasticMetrics
{
    /// <summary>Term.</summary>
    public static Metric Term { get; } = new("peft.term", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "term counter: grows with every loss and join",
        Bad = "it grows every few seconds: terms end before they commit a step",
    };

    /// <summary>Silos with an active seat.</summary>
    public static Metric Silos { get; } = new("peft.silos", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "silos that compute for the run",
        Bad = "fewer than were started: some stand by, are left out, or are gone",
    };

    /// <summary>Recoveries.</summary>
    public static Metric Recoveries { get; } = new("peft.recoveries", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "terms drawn after a loss, in the whole run",
        Bad = "several in a few minutes: a silo dies again and again",
    };

    /// <summary>From the end of a term to the next one's first committed step.</summary>
    public static Metric RecoveryDuration { get; } = new("peft.recovery.duration", MetricKind.Histogram, MetricOwner.Run)
    {
        Unit = "s",
        Buckets = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500],
        Meaning = "from drawing a term after a loss to its first committed step",
        Bad = "minutes: weights are loaded anew, since there are no standbys",
    };

    /// <summary>Where recoveries' time goes.</summary>
    public static Metric RecoveryPhase { get; } = new("peft.recovery.phase", MetricKind.Counter, MetricOwner.Run)
    {
        Unit = "s",
        Label = MetricLabel.RecoveryPhase,
        Meaning = "where recoveries' time went: `open` data set and record, `fence`, `plan`, `seat` weights and state, `protect` copies, "
            + "`step` the step made again",
        Bad = "`seat` dominates: slow storage of the base model",
    };

    /// <summary>Committed steps that are lost.</summary>
    public static Metric StepsLost { get; } = new("peft.steps.lost", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "committed steps that a later term did not find in `metrics.jsonl`",
        Bad = "any: a file of the run was changed by something else, or its storage lost writes",
    };

    /// <summary>Samples dropped.</summary>
    public static Metric SamplesDropped { get; } = new("peft.samples.dropped", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "microbatches of committed steps that `samples.jsonl` lacks, and of steps made again that the first making had",
        Bad = "any: a file of the run was changed by something else, or the data under it",
    };

    /// <summary>Samples repeated.</summary>
    public static Metric SamplesRepeated { get; } = new("peft.samples.repeated", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "microbatches that `samples.jsonl` has more than once for a step, and of steps made again that the first making lacked",
        Bad = "any: a file of the run was changed by something else, or the data under it",
    };

    /// <summary>Steps made again.</summary>
    public static Metric StepsReplayed { get; } = new("peft.steps.replayed", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "committed steps that a term makes again, to the same bytes, from a snapshot",
        Bad = "it grows: all places of a layer were lost at once; more replicas or silos, or more frequent snapshots",
    };

    /// <summary>Age of the newest snapshot.</summary>
    public static Metric SnapshotAge { get; } = new("peft.snapshot.age", MetricKind.Gauge, MetricOwner.Run)
    {
        Unit = "s",
        Meaning = "since the newest snapshot was written; without one, since this silo coordinates the run",
        Bad = "longer than anybody would like to train again, should all silos be lost",
    };

    /// <summary>Steps since the newest snapshot.</summary>
    public static Metric SnapshotAgeSteps { get; } = new("peft.snapshot.age.steps", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "committed steps since the newest snapshot",
        Bad = "above `peft_snapshot_interval_steps`: snapshots fail",
    };

    /// <summary>Steps between snapshots.</summary>
    public static Metric SnapshotInterval { get; } = new("peft.snapshot.interval.steps", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "steps between snapshots (`snapshots.every`); 0: none before the end",
        Bad = "0 in a long run",
    };

    /// <summary>Silos that stand by.</summary>
    public static Metric Standbys { get; } = new("peft.standby.silos", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "silos of the plan that compute nothing and stand by",
        Bad = "0 where the run file wants some: the next loss loads weights first",
    };

    /// <summary>Layers with one place only.</summary>
    public static Metric UnprotectedLayers { get; } = new("peft.unprotected.layers", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "layers that have one place only",
        Bad = "any: the loss of that silo costs the steps since the last snapshot",
    };

    /// <summary>Silos left out.</summary>
    public static Metric LeftOut { get; } = new("peft.left_out.silos", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "live silos that the run goes on without: other files, other threads",
        Bad = "any: `events.jsonl` and their logs say why",
    };

    /// <summary>Silos behind a cut.</summary>
    public static Metric Outside { get; } = new("peft.outside.silos", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "live silos that wait until all others reach them",
        Bad = "any: the network between silos is cut",
    };

    /// <summary>Silos evicted.</summary>
    public static Metric Evictions { get; } = new("peft.evictions", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "silos that the run's coordinator declared dead: cut off, or silent",
        Bad = "it grows: the network, or a machine that hangs",
    };

    /// <summary>Versions compared between the seats of a layer.</summary>
    public static Metric Comparisons { get; } = new("peft.seat.comparisons", MetricKind.Counter, MetricOwner.Run)
    {
        Label = MetricLabel.Equal,
        Meaning = "hashes of a layer's version compared between its seats after a step",
        Bad = "any unequal: a silo computes other bits; it is faulty, or another kind of hardware",
    };

    /// <summary>Time of a silo's share of a step, per unit of work, over the fastest silo's.</summary>
    public static Metric Slowdown { get; } = new("peft.silo.slowdown", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.Silo,
        Meaning = "a silo's compute time per unit of its work over the fastest silo's",
        Bad = "2 and more: a straggler holds the others up",
    };

    /// <summary>Silos by state.</summary>
    public static Metric Members { get; } = new("peft.cluster.silos", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.MemberState,
        Meaning = "silos of the cluster by state, as this silo reads the membership; the latest life of each name",
        Bad = "silos disagree: the membership's store is cut off; `dead` grows: silos die",
    };

    /// <summary>State of each silo.</summary>
    public static Metric MemberState { get; } = new("peft.member.state", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.Member,
        Meaning = "state of a silo of the cluster, as this silo reads the membership: 0 dead, 1 leaving, 2 joining, 3 active",
        Bad = "0 for one that should live",
    };

    /// <summary>Layers seated on a silo.</summary>
    public static Metric SeatedLayers { get; } = new("peft.silo.seated_layers", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.Run,
        Meaning = "layers of a run that compute on this silo",
        Bad = "0 on a silo that should train: it stands by, or is left out",
        Optional = true,
    };

    /// <summary>Layers to be held ready.</summary>
    public static Metric StandbyLayers { get; } = new("peft.silo.standby_layers", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.Run,
        Meaning = "layers of a run whose base weights this silo is to hold ready for a loss",
        Bad = "0 on every silo: the next loss loads weights first",
        Optional = true,
    };

    /// <summary>Layers held ready.</summary>
    public static Metric StandbyLayersLoaded { get; } = new("peft.silo.standby_layers_loaded", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.Run,
        Meaning = "of these, those that are loaded",
        Bad = "fewer than `peft_silo_standby_layers` for long: loading fails, its log says why",
        Optional = true,
    };
}
