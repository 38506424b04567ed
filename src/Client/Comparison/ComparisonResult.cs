namespace Peft.Orleans.Client.Comparison;

/// <summary>A run of a comparison and what came of it.</summary>
/// <param name="Run">The run.</param>
/// <param name="Measure">Its figures; null: not completed.</param>
/// <param name="Failure">Why it failed; null: it did not.</param>
internal sealed record MeasuredRun(PlannedRun Run, RunMeasure? Measure, string? Failure);

/// <summary>A method, or a control, with its runs.</summary>
/// <param name="Method">The method.</param>
/// <param name="ControlOf">Label of the method it controls; null: it is none.</param>
/// <param name="Trainable">Trainable parameters with the chosen values.</param>
/// <param name="ToMatch">Trainable parameters of the method it controls.</param>
/// <param name="StepsPerEpoch">Steps in which every sample is seen once.</param>
/// <param name="Grid">The grid's runs with the first seed; empty without a choice.</param>
/// <param name="Chosen">The grid's choice.</param>
/// <param name="Seeds">One run for each seed.</param>
internal sealed record MethodResult(
    ComparedMethod Method, string? ControlOf, long Trainable, long? ToMatch, int? StepsPerEpoch,
    IReadOnlyList<MeasuredRun> Grid, IReadOnlyList<Assignment> Chosen, IReadOnlyList<MeasuredRun> Seeds)
{
    /// <summary>Figures of the completed runs.</summary>
    public IReadOnlyList<RunMeasure> Measures => [.. Seeds.Select(static run => run.Measure).OfType<RunMeasure>()];
}

/// <summary>A comparison, as far as it has come.</summary>
/// <param name="Methods">Each method, followed by its control.</param>
/// <param name="Silos">Silos of each run.</param>
/// <param name="Finished">Runs completed.</param>
/// <param name="Total">Runs in all.</param>
internal sealed record ComparisonResult(IReadOnlyList<MethodResult> Methods, int Silos, int Finished, int Total)
{
    /// <summary>Whether a run failed.</summary>
    public bool Failed => Methods.Any(static method => method.Seeds.Concat(method.Grid).Any(static run => run.Failure is not null));
}

/// <summary>Mean and spread over seeds.</summary>
/// <param name="Mean">Mean; null without a value.</param>
/// <param name="Deviation">Sample standard deviation (n − 1); null with fewer than two values.</param>
internal readonly record struct Spread(double? Mean, double? Deviation)
{
    /// <summary>Of the values that are there.</summary>
    public static Spread Of(IEnumerable<double?> values)
    {
        double[] known = [.. values.OfType<double>()];
        if (known.Length == 0) return default;
        var mean = known.Average();
        return new Spread(
            mean,
            known.Length < 2 ? null : Math.Sqrt(known.Sum(value => (value - mean) * (value - mean)) / (known.Length - 1))
        );
    }
}
