namespace Peft.Orleans.Core.Metrics;

/// <summary>How training goes.</summary>
public static class TrainingMetrics
{
    /// <summary>Training loss.</summary>
    public static Metric Loss { get; } = new("peft.loss", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "training loss of the last committed step, before its update",
        Bad = "it rises over many steps: learning rate too high, or wrong data",
    };

    /// <summary>Validation loss.</summary>
    public static Metric ValidationLoss { get; } = new("peft.validation_loss", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "loss over the validation data, when it was last due",
        Bad = "it rises while the training loss falls: the run learns its data by heart",
        Optional = true,
    };

    /// <summary>Learning rate.</summary>
    public static Metric LearningRate { get; } = new("peft.learning_rate", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "learning rate of the last committed step",
        Bad = "0 long before the end: the schedule is over",
    };

    /// <summary>Gradient norm before clipping.</summary>
    public static Metric GradientNorm { get; } = new("peft.gradient_norm", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "norm of the whole gradient before clipping",
        Bad = "it grows by orders of magnitude: the run diverges; near 0: nothing is learned",
    };

    /// <summary>Gradient norm of one kind of tensor.</summary>
    public static Metric ComponentNorm { get; } = new("peft.component.gradient_norm", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.Component,
        Meaning = "norm of the gradient of all tensors of a kind, before clipping",
        Bad = "one kind at 0 while others learn: it is cut off, or saturated",
    };

    /// <summary>Gradient norm of a layer.</summary>
    public static Metric LayerNorm { get; } = new("peft.layer.gradient_norm", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.Layer,
        Meaning = "norm of a layer's gradient before clipping; only of layers that train",
        Bad = "one layer far above its neighbours: unstable there; 0: it does not learn",
    };

    /// <summary>λ of a layer.</summary>
    public static Metric Lambda { get; } = new("peft.lambda", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.Layer,
        Meaning = "mixing coefficient λ of a layer in its last forward pass; the mean where every module has its own",
        Bad = "all layers at one bound: one of the two branches does nothing",
        Optional = true,
    };

    /// <summary>Layers with λ at a bound.</summary>
    public static Metric LambdaAtBound { get; } = new("peft.lambda.at_bound.layers", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "layers whose λ is within a hundredth of its range of `method.lambda.min` or `.max`",
        Bad = "as many as there are layers: λ has collapsed, and Hybrid is no mixture any more",
        Optional = true,
    };

    /// <summary>How far butterfly blocks are from orthogonal.</summary>
    public static Metric OrthogonalityError { get; } = new("peft.boft.orthogonality_error", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.Layer,
        Meaning = "max |CᵀC − I| over the butterfly blocks of a layer",
        Bad = "above 1e-3: rounding has drifted, and the layer is no rotation",
        Optional = true,
    };

    /// <summary>How far unitary blocks are from unitary.</summary>
    public static Metric UnitarityError { get; } = new("peft.urnn.unitarity_error", MetricKind.Gauge, MetricOwner.Run)
    {
        Label = MetricLabel.Layer,
        Meaning = "max |UᴴU − I| over the unitary blocks of a layer",
        Bad = "above 1e-3: renormalisation does not hold them",
        Optional = true,
    };

    /// <summary>Trained tokens.</summary>
    public static Metric Tokens { get; } = new("peft.tokens", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "input tokens of committed steps, padding left out",
        Bad = "its rate falls: slow data, a slow silo, or recoveries",
    };

    /// <summary>Learned tokens.</summary>
    public static Metric TargetTokens { get; } = new("peft.target_tokens", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "tokens of committed steps that were learned (not masked)",
        Bad = "a small share of all tokens: most of the time goes into prompts",
    };

    /// <summary>Step time.</summary>
    public static Metric StepDuration { get; } = new("peft.step.duration", MetricKind.Histogram, MetricOwner.Run)
    {
        Unit = "s",
        Buckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500],
        Meaning = "time of a step, from asking for its microbatches until its update is sent",
        Bad = "a second hump at long times: stalls",
    };

    /// <summary>Where a step's time goes.</summary>
    public static Metric StepPhase { get; } = new("peft.step.phase", MetricKind.Counter, MetricOwner.Run)
    {
        Unit = "s",
        Label = MetricLabel.StepPhase,
        Meaning = "where steps' time went: `data` until the step's microbatches were known; then, of the passes through the layers, "
            + "`forward` and `backward` as silos computed on average (a head's loss is in `backward`), `wait` the rest, in which they "
            + "stood still; `reduce` adding up replicas; `commit` norms, optimizer step, and waiting for the step before to be stable",
        Bad = "`data` above a twentieth: loading is too slow; `wait` above a third: too few microbatches, or a slow network",
    };

    /// <summary>Floating-point operations.</summary>
    public static Metric Flops { get; } = new("peft.flops", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "model FLOP of committed steps by the usual convention: per parameter that multiplies (blocks and head) and token 4 with "
            + "a frozen base (2 forward, 2 for activations' gradients), 6 for full fine-tuning; attention's own products and recomputation "
            + "are not counted",
        Bad = "its rate is far below the devices' peak",
    };

    /// <summary>Model FLOP utilisation.</summary>
    public static Metric Utilization { get; } = new("peft.mfu.ratio", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "model FLOP of the last step, by the convention of `peft_flops_total`, over its time and the summed peaks of the silos "
            + "that compute; there only where each of them has `--peak-gflops`",
        Bad = "below a tenth: the devices wait",
        Optional = true,
    };

    /// <summary>Numbers that were not finite.</summary>
    public static Metric NonFinite { get; } = new("peft.non_finite", MetricKind.Counter, MetricOwner.Run)
    {
        Label = MetricLabel.NonFinite,
        Meaning = "steps given up because a loss or gradient norm was no finite number; the run stops at the step before",
        Bad = "any: the run diverged, or a batch is damaged; its message names step and batch",
    };

    /// <summary>Unitary blocks brought back to the group after rounding.</summary>
    public static Metric Renormalizations { get; } = new("peft.urnn.renormalizations", MetricKind.Counter, MetricOwner.Silo)
    {
        Meaning = "modules whose unitary blocks were brought back to the unitary group after a step",
        Bad = "several a step and module: steps are too large for the group",
    };
}
