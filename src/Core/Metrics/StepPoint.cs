namespace Peft.Orleans.Core.Metrics;

/// <summary>Steps that follow each other, as one point of a curve.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.StepPoint")]
public sealed record StepPoint
{
    /// <summary>First step.</summary>
    [Id(0)] public required int First { get; init; }

    /// <summary>Last step.</summary>
    [Id(1)] public required int Last { get; init; }

    /// <summary>Mean loss.</summary>
    [Id(2)] public required double Loss { get; init; }

    /// <summary>Smallest loss.</summary>
    [Id(3)] public required double LossLow { get; init; }

    /// <summary>Largest loss.</summary>
    [Id(4)] public required double LossHigh { get; init; }

    /// <summary>Mean gradient norm before clipping.</summary>
    [Id(5)] public required double GradientNorm { get; init; }

    /// <summary>Largest gradient norm.</summary>
    [Id(6)] public required double GradientNormHigh { get; init; }

    /// <summary>Learning rate of the last step.</summary>
    [Id(7)] public required double LearningRate { get; init; }

    /// <summary>Mean λ, decoder layers in order; empty without.</summary>
    [Id(8)] public double[] Lambda { get; init; } = [];

    /// <summary>Last validation loss among the steps; null where none was due.</summary>
    [Id(9)] public double? ValidationLoss { get; init; }
}

/// <summary>The course of a run in points, or what came since.</summary>
/// <param name="Width">Steps per point; the last may have fewer.</param>
/// <param name="Whole">Whether these are all points: former ones no longer count.</param>
/// <param name="Points">In order.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.StepCourse")]
public sealed record StepCourse([property: Id(0)] int Width, [property: Id(1)] bool Whole, [property: Id(2)] StepPoint[] Points);
