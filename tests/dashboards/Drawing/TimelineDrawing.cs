using Peft.Orleans.Dashboards.Files;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>A line of states per series.</summary>
internal static class TimelineDrawing
{
    internal static void Draw(SKCanvas canvas, PanelFile panel, IReadOnlyList<NamedSeries> series, Span span, PixelRect body)
    {
        using var plot = Axes.Dressed(span);
        var rows = new NumericManual();
        for (var i = 0; i < series.Count; i++)
        {
            var row = series.Count - 1 - i;
            rows.AddMajor(row, series[i].Name);
            foreach (var (from, to, value) in States(series[i].Points))
            {
                var (text, color) = panel.Names.GetValueOrDefault(value, (UnitText.Of(value, panel.Unit), "gray"));
                var box = plot.Add.Rectangle(from, to, row - 0.38, row + 0.38);
                box.FillColor = Palette.Named(color).WithAlpha(0.8);
                box.LineWidth = 0;
                if ((to - from) / (span.To - span.From) * body.Width < Words.Width(text, 12) + 14) continue;
                var label = plot.Add.Text(text, from, row);
                label.LabelFontSize = 12;
                label.LabelFontColor = Palette.Canvas;
                label.LabelAlignment = Alignment.MiddleLeft;
                label.OffsetX = 5;
            }
        }

        plot.Axes.Left.TickGenerator = rows;
        plot.HideGrid();
        plot.Axes.SetLimitsX(span.From, span.To);
        plot.Axes.SetLimitsY(-0.6, series.Count - 0.4);
        Axes.Render(plot, canvas, body);
    }

    /// <summary>Equal values in a row are one; where nothing was answered, nothing is.</summary>
    private static IEnumerable<(double From, double To, double Value)> States(IReadOnlyList<(double Time, double Value)> points)
    {
        if (points.Count == 0) yield break;
        var step = points.Count > 1 ? points.Zip(points.Skip(1), static (a, b) => b.Time - a.Time).Min() : 1;
        var begin = 0;
        for (var i = 1; i <= points.Count; i++)
        {
            var goesOn = i < points.Count && points[i].Value == points[begin].Value && points[i].Time - points[i - 1].Time < 1.5 * step;
            if (goesOn) continue;
            yield return (points[begin].Time, points[i - 1].Time + step, points[begin].Value);
            begin = i;
        }
    }
}
