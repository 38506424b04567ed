namespace Peft.Orleans.Core.Batches;

/// <summary>
/// Where the samples of a microbatch lie: all that a decoder block has to know of it. Rows are padded on the right to a common length; a
/// row holds one sample, or several where samples are packed (no attention across them, positions restart at 0).
/// </summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.BatchShape")]
public record BatchShape
{
    /// <summary>Number of rows.</summary>
    [Id(0)] public required int Rows { get; init; }

    /// <summary>Length of every row, padding included.</summary>
    [Id(1)] public required int Columns { get; init; }

    /// <summary>
    /// For each row the lengths of the samples in it, in order; their sum is at most <see cref="Columns"/>, the rest is padding.
    /// </summary>
    [Id(2)] public required int[][] SampleLengths { get; init; }

    /// <summary>Number of input tokens without padding.</summary>
    public int Tokens => SampleLengths.Sum(row => row.Sum());

    /// <summary>The shape alone.</summary>
    public BatchShape WithoutContent() => new() { Rows = Rows, Columns = Columns, SampleLengths = SampleLengths };
}

/// <summary>What the coordinator knows of a microbatch; ids and labels go from the data set to the shards that read them.</summary>
/// <param name="Shape">Where its samples lie.</param>
/// <param name="TargetTokens">Number of learned tokens.</param>
/// <param name="ContentHash">The identity of the trained data.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.BatchOutline")]
public sealed record BatchOutline(BatchShape Shape, int TargetTokens, string ContentHash);

/// <summary>Which microbatches of a run's data set.</summary>
public enum BatchSet
{
    /// <summary>Those of a training step.</summary>
    Training,

    /// <summary>Single samples in the run's own order, for the estimate of the base gradient; the step is 0.</summary>
    Samples,

    /// <summary>Those of the validation set; the step is 0.</summary>
    Validation,
}

/// <summary>Names a microbatch of a run.</summary>
/// <param name="Set">Of which set.</param>
/// <param name="Step">Training step, from 1; else 0.</param>
/// <param name="Index">Index from 0.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.BatchKey")]
public readonly record struct BatchKey(BatchSet Set, int Step, int Index)
{
    /// <summary>Microbatch of a training step.</summary>
    public static BatchKey Training(int step, int index) => new(BatchSet.Training, step, index);
}
