namespace Peft.Orleans.Core.Metrics;

/// <summary>
/// What is known of a step: it travels with the step's version, and becomes a line of metrics.jsonl when the step is committed
/// (<see cref="StepLines"/>).
/// </summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.StepRecord")]
public sealed record StepRecord
{
    /// <summary>Step, from 1.</summary>
    [Id(0)] public required int Step { get; init; }

    /// <summary>Mean loss of the targets, of the forward pass before this step's update.</summary>
    [Id(1)] public required double Loss { get; init; }

    /// <summary>Learning rate of the first parameter group.</summary>
    [Id(2)] public required double LearningRate { get; init; }

    /// <summary>Norm of the whole gradient before clipping.</summary>
    [Id(3)] public required double GradientNorm { get; init; }

    /// <summary>Input tokens without padding.</summary>
    [Id(4)] public required int Tokens { get; init; }

    /// <summary>Learned tokens.</summary>
    [Id(5)] public required int TargetTokens { get; init; }

    /// <summary>Time of the step until its update is sent.</summary>
    [Id(6)] public required double Seconds { get; init; }

    /// <summary>λ used in the forward pass, decoder layers in order; empty without.</summary>
    [Id(7)] public double[] Lambda { get; init; } = [];

    /// <summary>Counter of the term in which it was made.</summary>
    [Id(8)] public required int Term { get; init; }

    /// <summary>Silos with an active seat.</summary>
    [Id(9)] public required int Silos { get; init; }

    /// <summary>Content hash of each microbatch, in order.</summary>
    [Id(10)] public string[] Samples { get; init; } = [];

    /// <summary>Loss over the validation data of the version this step made; null where it was not due.</summary>
    [Id(11)] public double? ValidationLoss { get; init; }
}
