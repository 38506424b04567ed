namespace Peft.Orleans.Core.Runs;

/// <summary>Section <c>training</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.TrainingSpec")]
public sealed record TrainingSpec
{
    /// <summary>Optimizer steps; exactly one of this and <see cref="Epochs"/> is given.</summary>
    public int? Steps { get; init; }

    /// <summary>Epochs of ceil(samples / global_batch) steps.</summary>
    public int? Epochs { get; init; }

    /// <summary>Samples per optimizer step.</summary>
    public int GlobalBatch { get; init; } = 16;

    /// <summary>Samples per microbatch.</summary>
    public int Microbatch { get; init; } = 1;

    /// <summary>Optimizer.</summary>
    public OptimizerSpec Optimizer { get; init; } = new();

    /// <summary>Learning-rate schedule.</summary>
    public ScheduleSpec Schedule { get; init; } = new();

    /// <summary>Global-norm clipping; null: none.</summary>
    public double? MaxGradNorm { get; init; } = 1.0;

    /// <summary>Activation recomputation.</summary>
    public RecomputePolicy Recompute { get; init; }

    /// <summary>Steps between validations; 0: only at the end.</summary>
    public int ValidateEvery { get; init; }

    /// <summary>Early stopping.</summary>
    public EarlyStoppingSpec EarlyStopping { get; init; } = new();
}

/// <summary>Section <c>training.optimizer</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.OptimizerSpec")]
public sealed record OptimizerSpec
{
    /// <summary>Optimizer.</summary>
    public OptimizerName Name { get; init; }

    /// <summary>Base learning rate.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Learning rate of Hybrid's rotation angles; null: <see cref="LearningRate"/>.</summary>
    public double? BoftLearningRate { get; init; }

    /// <summary>β1, β2.</summary>
    public IReadOnlyList<double> Betas { get; init; } = new double[] { 0.9, 0.999 };

    /// <summary>ε.</summary>
    public double Eps { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, on tensors of two or more dimensions.</summary>
    public double WeightDecay { get; init; }
}

/// <summary>Section <c>training.schedule</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.ScheduleSpec")]
public sealed record ScheduleSpec
{
    /// <summary>Schedule.</summary>
    public ScheduleName Name { get; init; } = ScheduleName.Cosine;

    /// <summary>Warm-up steps.</summary>
    public int WarmupSteps { get; init; }
}

/// <summary>Section <c>training.early_stopping</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.EarlyStoppingSpec")]
public sealed record EarlyStoppingSpec
{
    /// <summary>Validations without improvement before the run stops; null: never.</summary>
    public int? Patience { get; init; }

    /// <summary>Whether the adapter of the best validation is kept.</summary>
    public bool KeepBest { get; init; }
}
