using Peft.Orleans.Dashboards.Source;
using static Peft.Orleans.Dashboards.Source.Panel;

namespace Peft.Orleans.Dashboards.Boards;

/// <summary>Silos that come and go, and what runs make of it.</summary>
internal static class ElasticityBoard
{
    internal static Board Board { get; } = new(
        "elasticity",
        "Peft.Orleans / Cluster and elasticity",
        "Silos by state over time, terms, recoveries and their seconds, what was lost (nothing), snapshots, readiness for the next loss.",
        new Row("Silos", Silos()),
        new Row("Recoveries", Recoveries()),
        new Row("Ready for the next loss", Ready()));

    private static Panel[] Silos() =>
    [
        Timeline(
            "Scraped",
            "Whether each silo answers Prometheus.",
            "red: the process is gone, hangs, or is cut off.",
            new Query("""max by (silo) (up{SILO, job="peft-silo"})""", "{{silo}}"),
            new Named(0, "down", "red"),
            new Named(1, "up", "green")),
        Timeline(
            "Membership",
            "The state of each silo as most of the cluster reads it.",
            "`dead` for one that should live: it crashed, hung, or was cut off; a silo that goes to and fro: look at its log.",
            new Query("quantile by (member) (0.5, peft_member_state{SILO})", "{{member}}"),
            new Named(0, "dead", "red"),
            new Named(0.5, "disputed", "orange"),
            new Named(1, "leaving", "yellow"),
            new Named(1.5, "disputed", "orange"),
            new Named(2, "joining", "blue"),
            new Named(2.5, "disputed", "orange"),
            new Named(3, "active", "green")),
        Timeline(
            "Runs",
            "The state of each run.",
            "`recovering` for minutes: no term succeeds; `paused`: it waits for silos or room on its disk.",
            RunBoard.State,
            RunBoard.StateNames) with { Height = 5 },
        Lines(
            "Silos by state",
            Units.Count,
            "Silos of the cluster by state; the largest number that any silo reads.",
            "`dead` grows: silos die; `joining` stays above 0: a newcomer does not get in.",
            new Query("max by (state) (peft_cluster_silos{SILO})", "{{state}}")) with { Min = 0 },
        Lines(
            "Layers seated",
            Units.Count,
            "Layers of all runs that compute on each silo.",
            "0 on a silo that should train: it stands by, or is left out.",
            new Query("sum by (silo) (peft_silo_seated_layers{SILO})", "{{silo}}")) with { Stacked = true, Min = 0 },
        Lines(
            "Left out, or outside",
            Units.Count,
            "Live silos that a run goes on without (other files, other threads), or that wait until all others reach them.",
            "any: the run's events and the silo's log say why; outside: the network between silos is cut.",
            new Query("max by (run) (peft_left_out_silos{RUN})", "{{run}} left out"),
            new Query("max by (run) (peft_outside_silos{RUN})", "{{run}} outside")) with { Min = 0 },
    ];

    private static Panel[] Recoveries() =>
    [
        Lines(
            "Term",
            Units.None,
            "The term counter of each run: it grows with every loss and join.",
            "a steep line: terms end before they commit a step.",
            new Query("max by (run) (peft_term{RUN})", "{{run}}")),
        Lines(
            "Recoveries",
            Units.Count,
            "Terms drawn after a loss, in the whole run, and silos that the coordinator declared dead.",
            "several steps upwards in a few minutes: a silo dies again and again.",
            new Query("max by (run) (peft_recoveries_total{RUN})", "{{run}} recoveries"),
            new Query("max by (run) (peft_evictions_total{RUN})", "{{run}} evictions")) with { Min = 0 },
        Lines(
            "Seconds of recoveries",
            Units.Seconds,
            "Mean time from drawing a term after a loss to its first committed step, since the run's coordinator came to life.",
            "minutes: weights are loaded anew, since there are no standbys.",
            new Query(
                "max by (run) (peft_recovery_duration_seconds_sum{RUN} / (peft_recovery_duration_seconds_count{RUN} > 0))", "{{run}}"))
            with { Min = 0 },
        Lines(
            "Where recoveries' time goes",
            Units.Seconds,
            "Seconds of each part, over the chosen runs: opening data set and record, fence, plan, seat (weights and state), protect (copies), the step made"
                + " again.",
            "`seat` dominates: the base model's storage is slow, or there is no standby.",
            new Query("sum by (phase) (max by (run, phase) (peft_recovery_phase_seconds_total{RUN}))", "{{phase}}"))
            with { Min = 0, Stacked = true },
        Lines(
            "Lost, dropped, repeated",
            Units.Count,
            "Committed steps lost, samples dropped, samples repeated: all stay 0.",
            "any: a file of the run was changed by something else, or its storage lost writes.",
            new Query("max by (run) (peft_steps_lost_total{RUN})", "{{run}} steps lost"),
            new Query("max by (run) (peft_samples_dropped_total{RUN})", "{{run}} samples dropped"),
            new Query("max by (run) (peft_samples_repeated_total{RUN})", "{{run}} samples repeated"))
            with { Min = 0, Thresholds = [new(1, "red")] },
        Lines(
            "Steps made again",
            Units.Count,
            "Committed steps that a term made again from a snapshot, to the same bytes.",
            "it grows: all places of a layer were lost at once; more replicas or silos, or more frequent snapshots.",
            new Query("max by (run) (peft_steps_replayed_total{RUN})", "{{run}}")) with { Min = 0 },
    ];

    private static Panel[] Ready() =>
    [
        Lines(
            "Unprotected layers",
            Units.Count,
            "Layers that train and have one place only.",
            "any: the loss of that silo costs the steps since the last snapshot.",
            new Query("max by (run) (peft_unprotected_layers{RUN})", "{{run}}")) with { Min = 0, Thresholds = [new(1, "orange")] },
        Lines(
            "Standbys",
            Units.Count,
            "Silos of the plan that compute nothing; layers whose base weights are to be held ready, and are.",
            "loaded fewer than wanted for long: loading fails, the silo's log says why; no standby: the next loss loads weights first.",
            new Query("max by (run) (peft_standby_silos{RUN})", "{{run}} silos"),
            new Query("sum by (run) (peft_silo_standby_layers{RUN})", "{{run}} layers wanted"),
            new Query("sum by (run) (peft_silo_standby_layers_loaded{RUN})", "{{run}} layers loaded")) with { Min = 0 },
        Lines(
            "Age of the newest snapshot",
            Units.Seconds,
            "Since the newest snapshot was written; without one, since the silo coordinates the run.",
            "longer than anybody would like to train again, should all silos be lost at once.",
            new Query("max by (run) (peft_snapshot_age_seconds{RUN})", "{{run}}")) with { Min = 0 },
        Lines(
            "Steps since the newest snapshot",
            Units.Count,
            "Committed steps since the newest snapshot, and the steps between snapshots as the run file wants.",
            "above the interval: snapshots fail or are slower than the steps between them.",
            new Query("max by (run) (peft_snapshot_age_steps{RUN})", "{{run}}"),
            new Query("max by (run) (peft_snapshot_interval_steps{RUN})", "{{run}} interval")) with { Min = 0 },
        Lines(
            "Stragglers",
            Units.None,
            "A silo's compute time per unit of its work over the fastest silo's.",
            "2 and more: it holds the others up.",
            new Query("max by (run, silo) (peft_silo_slowdown{RUN})", "{{run}} {{silo}}"))
            with { Min = 1, Thresholds = [new(2, "orange")] },
        Lines(
            "Seats compared",
            Units.PerSecond,
            "Hashes of a layer's version compared between its seats after a step.",
            "any unequal: a silo computes other bits; it is faulty, or another kind of hardware.",
            new Query("sum by (run, equal) (rate(peft_seat_comparisons_total{RUN}[$__rate_interval]))", "{{run}} equal: {{equal}}"))
            with { Min = 0 },
        Lines(
            "Runs",
            Units.Count,
            "Runs under way, and runs that ended, by outcome.",
            "`failed` grows: `peft-client get runs` shows which, and why.",
            new Query("sum (peft_runs{SILO})", "under way"),
            new Query("sum by (outcome) (peft_runs_ended_total{SILO})", "{{outcome}}")) with { Min = 0, Width = 16 },
    ];
}
