using Peft.Orleans.Dashboards.Files;
using ScottPlot;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>Lines over time, alone or upon each other, with a legend below.</summary>
internal static class LinesDrawing
{
    private const float LegendLine = 16;

    internal static void Draw(SKCanvas canvas, PanelFile panel, IReadOnlyList<NamedSeries> series, Span span, PixelRect body)
    {
        using var plot = Axes.Dressed(span);
        var lines = series.Select(static one => (one.Name, one.Points.Where(static point => double.IsFinite(point.Value)).ToArray()))
            .ToArray();
        if (panel.Stacked) Stack(plot, lines);
        else Lines(plot, panel, lines);
        foreach (var step in panel.Steps.Where(static step => step.From is not null))
        {
            var color = Palette.Named(step.Color).WithAlpha(0.7);
            var line = plot.Add.HorizontalLine(Place(panel, step.From!.Value), 1, color, LinePattern.Dashed);
            line.EnableAutoscale = false;
        }

        var (least, most) = Limits(panel, lines);
        plot.Axes.SetLimitsY(least, most);
        if (panel.Logarithmic) Axes.Logarithms(plot, least, most, value => UnitText.Of(value, panel.Unit));
        else Axes.Values(plot, value => UnitText.Of(value, panel.Unit));
        var legend = Legend(canvas, [.. series.Select(static one => one.Name)], body);
        Axes.Render(plot, canvas, new PixelRect(body.Left, body.Right, body.Bottom - legend, body.Top));
    }

    private static void Lines(Plot plot, PanelFile panel, (string Name, (double Time, double Value)[] Points)[] lines)
    {
        for (var i = 0; i < lines.Length; i++)
        {
            // A gap in the answers stays a gap.
            foreach (var piece in Pieces(lines[i].Points))
            {
                var line = plot.Add.Scatter(
                    piece.Select(static point => point.Time).ToArray(),
                    piece.Select(point => Place(panel, point.Value)).ToArray());
                line.Color = Palette.Series(i);
                line.LineWidth = 1.4f;
                line.MarkerSize = piece.Length == 1 ? 3 : 0;
                if (panel.Logarithmic || lines.Length > 3) continue;
                line.FillY = true;
                line.FillYColor = Palette.Series(i).WithAlpha(0.08);
            }
        }
    }

    private static void Stack(Plot plot, (string Name, (double Time, double Value)[] Points)[] lines)
    {
        double[] times = [.. lines.SelectMany(static line => line.Points.Select(static point => point.Time)).Distinct().Order()];
        if (times.Length == 0) return;
        var below = new double[times.Length];
        for (var i = 0; i < lines.Length; i++)
        {
            var values = lines[i].Points.ToDictionary(static point => point.Time, static point => point.Value);
            double[] above = [.. times.Select((time, t) => below[t] + values.GetValueOrDefault(time))];
            var area = plot.Add.FillY(times, below, above);
            area.FillColor = Palette.Series(i).WithAlpha(0.6);
            area.LineColor = Palette.Series(i);
            area.LineWidth = 1;
            area.MarkerSize = 0;
            below = above;
        }
    }

    private static (double Least, double Most) Limits(PanelFile panel, (string Name, (double Time, double Value)[] Points)[] lines)
    {
        var values = panel.Stacked
            ? lines.SelectMany(static line => line.Points).GroupBy(static point => point.Time)
                .Select(static group => group.Sum(static point => point.Value))
            : lines.SelectMany(static line => line.Points).Select(static point => point.Value);
        double[] places = [.. values.Select(value => Place(panel, value)).DefaultIfEmpty(0)];
        var (least, most) = (panel.Min is { } min && !panel.Logarithmic ? min : places.Min(), panel.Max ?? places.Max());
        if (most - least < 1e-12) most = least + Math.Max(1e-12, Math.Abs(least) > 0 ? Math.Abs(least) * 0.1 : 1);
        var room = (most - least) * 0.06;
        return (panel.Min is null || panel.Logarithmic ? least - room : least, most + room);
    }

    private static IEnumerable<(double Time, double Value)[]> Pieces((double Time, double Value)[] points)
    {
        if (points.Length == 0) yield break;
        var step = points.Length > 1 ? points.Zip(points.Skip(1), static (a, b) => b.Time - a.Time).Min() : 1;
        var begin = 0;
        for (var i = 1; i <= points.Length; i++)
        {
            if (i < points.Length && points[i].Time - points[i - 1].Time < 1.5 * step) continue;
            yield return points[begin..i];
            begin = i;
        }
    }

    private static double Place(PanelFile panel, double value) => panel.Logarithmic ? Math.Log10(Math.Max(value, 1e-12)) : value;

    /// <summary>Writes the names below the plot; returns the height taken.</summary>
    private static float Legend(SKCanvas canvas, string[] names, PixelRect body)
    {
        const int MostLines = 3;
        var lines = new List<List<(int, string)>> { new() };
        var x = 0f;
        for (var i = 0; i < names.Length; i++)
        {
            var width = 22 + Words.Width(names[i], 11);
            if (x > 0 && x + width > body.Width - 12)
            {
                lines.Add([]);
                x = 0;
            }

            lines[^1].Add((i, names[i]));
            x += width;
        }

        var shown = Math.Min(lines.Count, MostLines);
        for (var line = 0; line < shown; line++)
        {
            x = body.Left + 8;
            var y = body.Bottom - ((shown - line - 0.5f) * LegendLine);
            foreach (var (i, name) in lines[line])
            {
                using var paint = new SKPaint { Color = Palette.Series(i).ToSKColor() };
                canvas.DrawRect(x, y - 1.5f, 10, 3, paint);
                Words.Write(canvas, name, x + 14, y, 11, Palette.Text, Alignment.MiddleLeft);
                x += 22 + Words.Width(name, 11);
            }
        }

        return shown * LegendLine;
    }
}
