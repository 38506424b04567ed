using System.Globalization;
using Peft.Orleans.Core.Metrics;
using ScottPlot;

namespace Peft.Orleans.Client.Comparison;

/// <summary>The figures of a comparison as PNG: losses and gradient norm by step, time and memory, λ.</summary>
internal static class ComparisonFigures
{
    private const int Width = 1000;

    /// <summary>Draws what there is to draw; returns the files.</summary>
    public static IReadOnlyList<string> Write(ComparisonResult result, string folder)
    {
        var methods = result.Methods.Where(static method => method.Measures.Count > 0).ToArray();
        var files = new List<string>();
        if (methods.Length == 0) return files;
        Curves(methods, "training loss", static step => step.Loss, Target("training-loss.png"));
        if (methods.Any(static method => method.Measures.Any(static run => run.Steps.Any(static step => step.ValidationLoss is not null))))
            Curves(methods, "validation loss", static step => step.ValidationLoss, Target("validation-loss.png"));
        Curves(methods, "gradient norm before clipping", static step => step.GradientNorm, Target("gradient-norm.png"));
        Costs(methods, Target("cost.png"));
        var mixed = methods.Where(static method => method.Measures[0].Steps.Any(static step => step.Lambda.Length > 0)).ToArray();
        if (mixed.Length > 0) Lambda(mixed, Target("lambda.png"));
        return files;

        string Target(string name)
        {
            var path = Path.Combine(folder, name);
            files.Add(path);
            return path;
        }
    }

    /// <summary>The mean over the seeds, and each seed as a thin line where there are several; controls are dashed.</summary>
    private static void Curves(IReadOnlyList<MethodResult> methods, string quantity, Func<StepRecord, double?> value, string path)
    {
        using var plot = new Plot();
        var palette = new ScottPlot.Palettes.Category20();
        for (var i = 0; i < methods.Count; i++)
        {
            var method = methods[i];
            var color = palette.GetColor(i);
            var runs = method
                .Measures.Select(run =>
                    run.Steps.Where(step => value(step) is { } number && double.IsFinite(number))
                        .ToDictionary(static step => (double)step.Step, step => value(step)!.Value)
                )
                .ToArray();
            double[] common = [.. runs[0].Keys.Where(step => runs.All(run => run.ContainsKey(step))).Order()];
            if (common.Length == 0) continue;
            foreach (var run in runs.Length > 1 ? runs : [])
            {
                var thin = plot.Add.ScatterLine(common, common.Select(step => run[step]).ToArray());
                thin.Color = color.WithAlpha(0.3);
                thin.LineWidth = 0.7f;
            }

            var mean = plot.Add.Scatter(common, common.Select(step => runs.Average(run => run[step])).ToArray());
            mean.Color = color;
            mean.LineWidth = 1.8f;
            mean.MarkerSize = common.Length < 20 ? 6 : 0;
            mean.LinePattern = method.ControlOf is null ? LinePattern.Solid : LinePattern.Dashed;
            mean.LegendText = method.Method.Label;
        }

        plot.XLabel(
            methods[0].StepsPerEpoch is { } epoch ? string.Create(CultureInfo.InvariantCulture, $"step ({epoch} an epoch)") : "step"
        );
        plot.YLabel(quantity);
        plot.ShowLegend(Edge.Right);
        plot.SavePng(path, Width, 520);
    }

    private static void Costs(IReadOnlyList<MethodResult> methods, string path)
    {
        var epochs = methods.All(static method => method.StepsPerEpoch is not null);
        var figure = new Multiplot();
        figure.AddPlots(2);
        Bars(figure.GetPlot(0), methods, epochs ? "seconds per epoch" : "seconds per step", method =>
            Spread.Of(method.Measures.Select(run => run.SecondsPerStep * (epochs ? method.StepsPerEpoch : 1))).Mean
        );
        Bars(figure.GetPlot(1), methods, "peak memory of the largest silo process, MiB", static method =>
            Spread.Of(method.Measures.Select(static run => run.PeakMemory / 1048576)).Mean
        );
        figure.SavePng(path, Width, 2 * (120 + (34 * methods.Count)));
    }

    private static void Bars(Plot plot, IReadOnlyList<MethodResult> methods, string quantity, Func<MethodResult, double?> value)
    {
        // The first method is at the top.
        double[] places = [.. Enumerable.Range(0, methods.Count).Select(i => (double)(methods.Count - 1 - i))];
        double[] values = [.. methods.Select(method => value(method) ?? 0)];
        var bars = plot.Add.Bars(places, values);
        bars.Horizontal = true;
        for (var i = 0; i < methods.Count; i++)
        {
            bars.Bars[i].FillColor = methods[i].ControlOf is null ? Colors.C0 : Colors.C0.WithAlpha(0.4);
            bars.Bars[i].Label = string.Create(CultureInfo.InvariantCulture, $"{values[i]:0.#}");
        }

        plot.Axes.Left.SetTicks(places, [.. methods.Select(static method => method.Method.Label)]);
        plot.Axes.Margins(left: 0, right: 0.12);
        plot.XLabel(quantity);
    }

    /// <summary>One plot for each hybrid entry, a line for each layer, of its first seed.</summary>
    private static void Lambda(IReadOnlyList<MethodResult> methods, string path)
    {
        var figure = new Multiplot();
        figure.AddPlots(methods.Count);
        var colors = new ScottPlot.Colormaps.Viridis();
        for (var i = 0; i < methods.Count; i++)
        {
            var plot = figure.GetPlot(i);
            var steps = methods[i].Measures[0].Steps.Where(static step => step.Lambda.Length > 0).ToArray();
            var layers = steps[0].Lambda.Length;
            for (var layer = 0; layer < layers; layer++)
            {
                var line = plot.Add.ScatterLine(
                    steps.Select(static step => (double)step.Step).ToArray(),
                    steps.Select(step => step.Lambda[layer]).ToArray()
                );
                line.Color = colors.GetColor(layers == 1 ? 0.5 : (double)layer / (layers - 1));
                line.LineWidth = 1.5f;
                if (layers <= 8 || layer == 0 || layer == layers - 1)
                    line.LegendText = string.Create(CultureInfo.InvariantCulture, $"layer {layer}");
            }

            plot.Title(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{methods[i].Method.Label}, seed {methods[i].Seeds.First(static run => run.Measure is not null).Run.Spec.Seed}"
                )
            );
            plot.XLabel("step");
            plot.YLabel("λ (share of LoRA)");
            plot.Axes.SetLimitsY(0, 1);
            plot.ShowLegend(Edge.Right);
        }

        figure.SavePng(path, Width, 420 * methods.Count);
    }
}
