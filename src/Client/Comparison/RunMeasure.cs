using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Comparison;

/// <summary>What a completed run measured.</summary>
internal sealed record RunMeasure
{
    /// <summary>Every step.</summary>
    public required IReadOnlyList<StepRecord> Steps { get; init; }

    /// <summary>The run's last status.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>Loss of the last step's batch, before its update.</summary>
    public double? FinalLoss => Steps.Count == 0 ? null : Steps[^1].Loss;

    /// <summary>Loss over the validation data at the end.</summary>
    public double? ValidationLoss =>
        Status.ValidationLoss ?? Steps.LastOrDefault(static step => step.ValidationLoss is not null)?.ValidationLoss;

    /// <summary>Median over the steps: the first ones warm up, some wait for a snapshot.</summary>
    public double? SecondsPerStep => Steps.Count == 0 ? null : Median([.. Steps.Select(static step => step.Seconds)]);

    /// <summary>Input tokens over the time of all steps.</summary>
    public double? TokensPerSecond =>
        Steps.Sum(static step => step.Seconds) is > 0 and var seconds ? Steps.Sum(static step => (double)step.Tokens) / seconds : null;

    /// <summary>The largest silo process.</summary>
    public double? PeakMemory => Status.PeakMemory.Count == 0 ? null : Status.PeakMemory.Values.Max();

    /// <summary>Reads a run's folder; null unless the run is completed.</summary>
    public static RunMeasure? Read(string folder)
    {
        if (RunFolderReader.Status(folder) is not { State: RunState.Completed } status) return null;
        return new RunMeasure { Status = status, Steps = [.. RunFolderReader.Steps(folder)] };
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values.Length % 2 == 1 ? values[values.Length / 2] : (values[(values.Length / 2) - 1] + values[values.Length / 2]) / 2;
    }
}
