using Peft.Orleans.Dashboards.Files;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>A row per series, coloured by value, with the scale beside it.</summary>
internal static class HeatmapDrawing
{
    internal static void Draw(SKCanvas canvas, PanelFile panel, IReadOnlyList<NamedSeries> series, Span span, PixelRect body)
    {
        using var plot = Axes.Dressed(span);
        NamedSeries[] rows = [.. series.OrderBy(static one => one.Name, StringComparer.Ordinal)];
        double[] times = [.. rows.SelectMany(static row => row.Points.Select(static point => point.Time)).Distinct().Order()];
        var step = times.Length > 1 ? times.Zip(times.Skip(1), static (a, b) => b - a).Min() : 1;
        var columns = (int)Math.Round((times[^1] - times[0]) / step) + 1;
        var cells = new double[rows.Length, columns];
        for (var row = 0; row < rows.Length; row++)
        {
            for (var column = 0; column < columns; column++) cells[rows.Length - 1 - row, column] = double.NaN;
            foreach (var (time, value) in rows[row].Points) cells[rows.Length - 1 - row, (int)Math.Round((time - times[0]) / step)] = value;
        }

        var values = rows.SelectMany(static row => row.Points).Select(static point => point.Value).Where(double.IsFinite).DefaultIfEmpty(0);
        var (least, most) = (panel.Min ?? values.Min(), panel.Max ?? values.Max());
        var map = plot.Add.Heatmap(cells);
        map.Colormap = new ScottPlot.Colormaps.Viridis();
        map.ManualRange = new ScottPlot.Range(least, most > least ? most : least + 1e-12);
        map.NaNCellColor = Palette.Panel;
        map.Extent = new CoordinateRect(times[0], times[0] + (columns * step), -0.5, rows.Length - 0.5);
        var ticks = new NumericManual();
        var every = Math.Max(1, rows.Length / 12);
        for (var row = 0; row < rows.Length; row += every) ticks.AddMajor(row, rows[row].Name);
        plot.Axes.Left.TickGenerator = ticks;
        plot.HideGrid();
        var scale = plot.Add.ColorBar(map);
        scale.Axis.TickLabelStyle.ForeColor = Palette.Faint;
        scale.Axis.TickLabelStyle.FontSize = 11;
        scale.Axis.TickGenerator = new NumericAutomatic { LabelFormatter = value => UnitText.Of(value, panel.Unit), TargetTickCount = 5 };
        plot.Axes.SetLimitsX(span.From, span.To);
        plot.Axes.SetLimitsY(-0.5, rows.Length - 0.5);
        Axes.Render(plot, canvas, body);
    }
}
