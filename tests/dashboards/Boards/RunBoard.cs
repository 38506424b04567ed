using Peft.Orleans.Dashboards.Source;
using static Peft.Orleans.Dashboards.Source.Panel;

namespace Peft.Orleans.Dashboards.Boards;

/// <summary>How a run goes: progress, loss, where its time goes.</summary>
internal static class RunBoard
{
    private const string Phases = "rate(peft_step_phase_seconds_total{RUN}[$__rate_interval])";

    /// <summary>States of a run by their place in the list of the metric's values.</summary>
    private static readonly (string State, int Code, string Color)[] States =
    [
        ("starting", 1, "blue"), ("running", 2, "green"), ("recovering", 3, "orange"), ("paused", 4, "yellow"),
        ("finishing", 5, "blue"), ("completed", 6, "green"), ("stopped", 7, "gray"), ("failed", 8, "red"),
    ];

    /// <summary>One number per state, since a timeline draws numbers: that of the state that is 1.</summary>
    internal static Query State { get; } = new(
        string.Join(" + ", States.Select(static state =>
            $$"""{{state.Code}} * max by (run) (peft_run_state{RUN, state="{{state.State}}"})""")),
        "{{run}}");

    internal static Named[] StateNames { get; } =
        [.. States.Select(static state => new Named(state.Code, state.State, state.Color))];

    internal static Board Board { get; } = new(
        "run",
        "Peft.Orleans / Run",
        "How a run goes: progress, loss, gradient norm, speed, where a step's time goes.",
        new Row("Now", Now()),
        new Row("Learning", Learning()),
        new Row("Speed", Speed()));

    private static Panel[] Now() =>
    [
        Timeline(
            "State",
            "The state of each run.",
            "`recovering` for minutes: no term succeeds; `paused`: it waits for silos or room on its disk; `failed`: its message says why.",
            State,
            StateNames) with { Height = 5 },
        Stat(
            "Progress",
            Units.Share,
            "Committed steps of all steps of the run.",
            "it stands still while the state is `running`: the run is stalled.",
            "max by (run) (peft_step{RUN}) / max by (run) (peft_steps_planned{RUN})") with { Min = 0, Max = 1 },
        Stat(
            "Step",
            Units.Count,
            "The last committed step.",
            "it stands still: the run is stalled, or waits.",
            "max by (run) (peft_step{RUN})"),
        Stat(
            "Time left",
            Units.Seconds,
            "Steps left at the pace of the last five minutes.",
            "it grows: the run slows down.",
            "(max by (run) (peft_steps_planned{RUN}) - max by (run) (peft_step{RUN}))"
                + " / clamp_min(max by (run) (rate(peft_step_duration_seconds_count{RUN}[5m])), 1e-9)"),
        Stat(
            "Silos that compute",
            Units.Count,
            "Silos with an active seat.",
            "fewer than were started: some stand by, are left out, or are gone.",
            "max by (run) (peft_silos{RUN})"),
        Stat(
            "Unprotected layers",
            Units.Count,
            "Layers that train and have one place only.",
            "above 0: the loss of that silo costs the steps since the last snapshot.",
            "max by (run) (peft_unprotected_layers{RUN})") with { Thresholds = [new(1, "orange")] },
        Stat(
            "Steps and samples lost",
            Units.Count,
            "Committed steps lost, samples dropped or repeated.",
            "anything but 0: a file of the run was changed by something else, or its storage lost writes.",
            "max by (run) (peft_steps_lost_total{RUN}) + max by (run) (peft_samples_dropped_total{RUN})"
                + " + max by (run) (peft_samples_repeated_total{RUN})") with { Thresholds = [new(1, "red")] },
    ];

    private static Panel[] Learning() =>
    [
        Lines(
            "Loss",
            Units.None,
            "Training loss of the last committed step, before its update.",
            "it rises over many steps: the learning rate is too high, or the data are wrong. A gap that stays: no step is committed.",
            new Query("max by (run) (peft_loss{RUN})", "{{run}}")),
        Lines(
            "Validation loss",
            Units.None,
            "Loss over the validation data, when it was last due. Empty without `data.validation`.",
            "it rises while the training loss falls: the run learns its data by heart.",
            new Query("max by (run) (peft_validation_loss{RUN})", "{{run}}")),
        Lines(
            "Learning rate",
            Units.Scientific,
            "Learning rate of the last committed step.",
            "0 long before the end: the schedule is over.",
            new Query("max by (run) (peft_learning_rate{RUN})", "{{run}}")),
        Lines(
            "Gradient norm",
            Units.None,
            "Norm of the whole gradient before clipping, on a logarithmic axis.",
            "it grows by orders of magnitude: the run diverges; near 0: nothing is learned.",
            new Query("max by (run) (peft_gradient_norm{RUN})", "{{run}}")) with { Logarithmic = true },
        Lines(
            "Gradient norm by kind of tensor",
            Units.None,
            "Norm of the gradient of all tensors of a kind, before clipping, on a logarithmic axis.",
            "one kind at 0 while others learn: it is cut off, or saturated.",
            new Query("max by (run, component) (peft_component_gradient_norm{RUN})", "{{run}} {{component}}")) with { Logarithmic = true },
        Lines(
            "Losses and gradients that are no numbers",
            Units.Count,
            "Steps given up because a loss or gradient norm was not finite; the run stops at the step before.",
            "any: the run diverged, or a batch is damaged; its message names step and batch.",
            new Query("max by (run, of) (peft_non_finite_total{RUN})", "{{run}} {{of}}")) with { Thresholds = [new(1, "red")], Min = 0 },
    ];

    private static Panel[] Speed() =>
    [
        Lines(
            "Tokens per second",
            Units.PerSecond,
            "Input tokens of committed steps, padding left out, and those of them that are learned (not masked).",
            "it falls: slow data, a slow silo, or recoveries; a small learned share: most of the time goes into prompts.",
            new Query("sum by (run) (rate(peft_tokens_total{RUN}[$__rate_interval]))", "{{run}} all"),
            new Query("sum by (run) (rate(peft_target_tokens_total{RUN}[$__rate_interval]))", "{{run}} learned")) with { Min = 0 },
        Lines(
            "Steps per minute",
            Units.PerMinute,
            "Committed steps.",
            "0 while the state is `running`: the run is stalled; half of what it was: a straggler, or fewer silos.",
            new Query("60 * sum by (run) (rate(peft_steps_total{RUN}[$__rate_interval]))", "{{run}}")) with { Min = 0 },
        Lines(
            "Step time",
            Units.Seconds,
            "Median and 95th percentile of the time of a step.",
            "the percentile far above the median: some steps stall, on a straggler, storage or the network.",
            new Query("histogram_quantile(0.5, sum by (run, le) (rate(peft_step_duration_seconds_bucket{RUN}[$__rate_interval])))",
                "{{run}} median"),
            new Query("histogram_quantile(0.95, sum by (run, le) (rate(peft_step_duration_seconds_bucket{RUN}[$__rate_interval])))",
                "{{run}} 95 %")) with { Min = 0 },
        Lines(
            "Where a step's time goes",
            Units.Share,
            "Shares of the chosen runs' steps: loading data, forward, backward, waiting in the passes, reducing over replicas, committing.",
            "`data` above a twentieth: loading is too slow; `wait` above a third: too few microbatches, or a slow network.",
            new Query($"sum by (phase) ({Phases}) / on () group_left () (sum({Phases}) > 0)", "{{phase}}"))
            with { Stacked = true, Min = 0, Max = 1 },
        Lines(
            "Floating-point operations",
            Units.Flops,
            "Model FLOP per second by the usual convention: per parameter that multiplies and token 4 with a frozen base, 6 for full"
                + " fine-tuning; attention's own products and recomputation are not counted.",
            "far below the devices' peak: they wait. Divide by the peaks, or set `--peak-gflops`, for the utilisation.",
            new Query("sum by (run) (rate(peft_flops_total{RUN}[$__rate_interval]))", "{{run}}")) with { Min = 0 },
        Lines(
            "Model FLOP utilisation",
            Units.Share,
            "Model FLOP of the last step over its time and the summed peaks of the silos. Empty unless all have `--peak-gflops`.",
            "below a tenth: the devices wait.",
            new Query("max by (run) (peft_mfu_ratio{RUN})", "{{run}}")) with { Min = 0 },
    ];
}
