using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>A plot in Grafana's dark dress, with time of day below it.</summary>
internal static class Axes
{
    internal static Plot Dressed(Span span)
    {
        var plot = new Plot();
        plot.FigureBackground.Color = Palette.Panel;
        plot.DataBackground.Color = Palette.Panel;
        plot.Axes.Color(Palette.Faint);
        plot.Grid.MajorLineColor = Palette.Grid;
        plot.Axes.Frame(false);
        plot.Axes.Bottom.TickLabelStyle.FontSize = 11;
        plot.Axes.Left.TickLabelStyle.FontSize = 11;
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.Bottom.MinorTickStyle.Length = 0;
        plot.Axes.Left.MinorTickStyle.Length = 0;
        var ticks = new NumericManual();
        var step = Step((span.To - span.From) / 5);
        for (var time = Math.Ceiling(span.From / step) * step; time <= span.To; time += step) ticks.AddMajor(time, Clock(time));
        plot.Axes.Bottom.TickGenerator = ticks;
        plot.Axes.SetLimitsX(span.From, span.To);
        return plot;
    }

    /// <summary>Ticks of the left axis by the panel's unit.</summary>
    internal static void Values(Plot plot, Func<double, string> text) =>
        plot.Axes.Left.TickGenerator = new NumericAutomatic { LabelFormatter = text, TargetTickCount = 5 };

    /// <summary>Ticks of a left axis whose places are decimal logarithms.</summary>
    internal static void Logarithms(Plot plot, double least, double most, Func<double, string> text)
    {
        var ticks = new NumericManual();
        double[] digits = most - least > 3 ? [1] : most - least > 1 ? [1, 3] : [1, 2, 3, 5, 7];
        for (var decade = (int)Math.Floor(least); decade <= most; decade++)
        {
            foreach (var digit in digits)
            {
                var place = decade + Math.Log10(digit);
                if (place >= least && place <= most) ticks.AddMajor(place, text(digit * Math.Pow(10, decade)));
            }
        }

        plot.Axes.Left.TickGenerator = ticks;
    }

    /// <summary>Draws a plot into a part of a canvas; by itself it would wipe all of it.</summary>
    internal static void Render(Plot plot, SKCanvas canvas, PixelRect part)
    {
        var (width, height) = ((int)part.Width, (int)part.Height);
        using var surface = SKSurface.Create(new SKImageInfo(width, height));
        plot.Render(surface.Canvas, width, height);
        using var image = surface.Snapshot();
        canvas.DrawImage(image, part.Left, part.Top);
    }

    private static double Step(double least) =>
        new double[] { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400 }.FirstOrDefault(
            step => step >= least, 86_400);

    private static string Clock(double time) =>
        DateTimeOffset.FromUnixTimeSeconds((long)time).ToString("HH:mm:ss", CultureInfo.InvariantCulture);
}
