using System.Globalization;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Figures;

/// <summary>How a run trains.</summary>
internal sealed class TrainingInstruments(FigureSet figures, ResolvedRun run)
{
    /// <summary>Share of λ's range that counts as its bound.</summary>
    private const double AtBound = 0.01;

    private readonly Dictionary<string, double> components = [];
    private readonly double flopsPerToken = FlopsPerToken(run);
    private double? peak;

    /// <summary>Peak of all silos that compute, FLOP/s; null where one has not said.</summary>
    internal void Peak(double? flops)
    {
        peak = flops;
        if (flops is null) figures.Clear(TrainingMetrics.Utilization);
    }

    /// <summary>A step is committed.</summary>
    internal void Committed(StepRecord step)
    {
        figures.Set(TrainingMetrics.Loss, step.Loss);
        figures.Set(TrainingMetrics.LearningRate, step.LearningRate);
        figures.Set(TrainingMetrics.GradientNorm, step.GradientNorm);
        figures.Add(TrainingMetrics.Tokens, step.Tokens);
        figures.Add(TrainingMetrics.TargetTokens, step.TargetTokens);
        figures.Record(TrainingMetrics.StepDuration, step.Seconds);
        var flops = flopsPerToken * step.Tokens;
        figures.Add(TrainingMetrics.Flops, flops);
        if (peak is { } all && step.Seconds > 0) figures.Set(TrainingMetrics.Utilization, flops / step.Seconds / all);
    }

    /// <summary>What the layers have measured of a step.</summary>
    internal void Measured(IReadOnlyDictionary<int, LayerMeasure> layers)
    {
        components.Clear();
        var atBound = 0;
        foreach (var (layer, measure) in layers)
        {
            var label = layer.ToString(CultureInfo.InvariantCulture);
            if (measure.Components.Count > 0) figures.Set(TrainingMetrics.LayerNorm, Math.Sqrt(measure.SquaredNorm), label);
            foreach (var (component, squared) in measure.Components)
                components[component] = components.GetValueOrDefault(component) + squared;
            if (measure.OrthogonalityError is { } orthogonality) figures.Set(TrainingMetrics.OrthogonalityError, orthogonality, label);
            if (measure.UnitarityError is { } unitarity) figures.Set(TrainingMetrics.UnitarityError, unitarity, label);
            if (measure.Lambda.Length == 0) continue;
            figures.Set(TrainingMetrics.Lambda, measure.Lambda.Average(), label);
            if (Array.TrueForAll(measure.Lambda, IsAtBound)) atBound++;
        }

        foreach (var (component, squared) in components) figures.Set(TrainingMetrics.ComponentNorm, Math.Sqrt(squared), component);
        if (layers.Values.Any(static measure => measure.Lambda.Length > 0)) figures.Set(TrainingMetrics.LambdaAtBound, atBound);
    }

    /// <summary>Part of a step took so long.</summary>
    /// <param name="phase">One of <see cref="MetricLabel.StepPhase"/>.</param>
    /// <param name="seconds">Its time.</param>
    internal void Phase(string phase, double seconds) => figures.Add(TrainingMetrics.StepPhase, seconds, phase);

    /// <summary>A version is validated.</summary>
    internal void Validated(double loss) => figures.Set(TrainingMetrics.ValidationLoss, loss);

    /// <summary>A number is not finite: the run stops.</summary>
    /// <param name="of">One of <see cref="MetricLabel.NonFinite"/>.</param>
    internal void NotFinite(string of) => figures.Add(TrainingMetrics.NonFinite, 1, of);

    /// <summary>FLOP of a token: what multiplies are the blocks' linears and the head.</summary>
    private static double FlopsPerToken(ResolvedRun run)
    {
        var model = run.Model;
        var parameters = ((double)model.Blocks * model.Linears.Sum(static linear => linear.Elements)) + model.EmbeddingParameters;
        return parameters * (MethodTraits.Of(run.Method).TrainsBase ? 6 : 4);
    }

    private bool IsAtBound(double lambda)
    {
        var options = run.Method.Lambda;
        var margin = AtBound * (options.Max - options.Min);
        return lambda <= options.Min + margin || lambda >= options.Max - margin;
    }
}
