using System.Globalization;
using ScottPlot;

namespace Peft.Orleans.Client.Runs;

/// <summary>The picture of a run: loss, and λ of every layer, by step.</summary>
internal static class TrainingFigure
{
    /// <summary>Draws <c>figures/training.png</c> from the run's metrics; null when there is no step to draw.</summary>
    public static string? Write(string runFolder, string title)
    {
        var steps = new List<double>();
        var losses = new List<double>();
        var validations = new List<(double Step, double Loss)>();
        var lambdas = new List<double[]>();
        foreach (var step in RunFolderReader.Steps(runFolder))
        {
            steps.Add(step.Step);
            losses.Add(step.Loss);
            if (step.ValidationLoss is { } validation) validations.Add((step.Step, validation));
            if (step.Lambda.Length > 0) lambdas.Add(step.Lambda);
        }

        if (steps.Count == 0) return null;
        var figure = new Multiplot();
        var hasLambda = lambdas.Count == steps.Count;
        figure.AddPlots(hasLambda ? 2 : 1);
        Loss(figure.GetPlot(0), title, steps, losses, validations);
        if (hasLambda) Lambda(figure.GetPlot(1), steps, lambdas);
        var folder = Path.Combine(runFolder, "figures");
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "training.png");
        figure.SavePng(path, 900, hasLambda ? 800 : 420);
        return path;
    }

    private static void Loss(Plot plot, string title, List<double> steps, List<double> losses, List<(double Step, double Loss)> validations)
    {
        var training = plot.Add.ScatterLine(steps, losses);
        training.LegendText = "training";
        training.LineWidth = 1.5f;
        if (validations.Count > 0)
        {
            var validation = plot.Add.Scatter(
                validations.Select(static v => v.Step).ToArray(),
                validations.Select(static v => v.Loss).ToArray()
            );
            validation.LegendText = "validation";
            validation.MarkerSize = 6;
        }

        plot.Title(title);
        plot.XLabel("step");
        plot.YLabel("loss");
        plot.ShowLegend(Alignment.UpperRight);
    }

    private static void Lambda(Plot plot, List<double> steps, List<double[]> lambdas)
    {
        var layers = lambdas[0].Length;
        var colors = new ScottPlot.Colormaps.Viridis();
        for (var layer = 0; layer < layers; layer++)
        {
            var line = plot.Add.ScatterLine(steps, lambdas.ConvertAll(values => values[layer]));
            line.LineColor = colors.GetColor(layers == 1 ? 0.5 : (double)layer / (layers - 1));
            line.LineWidth = 1.5f;
            if (layers <= 8 || layer == 0 || layer == layers - 1) line.LegendText = "layer " + layer.ToString(CultureInfo.InvariantCulture);
        }

        plot.XLabel("step");
        plot.YLabel("λ (share of LoRA)");
        plot.Axes.SetLimitsY(0, 1);
        plot.ShowLegend(Alignment.UpperRight);
    }
}
