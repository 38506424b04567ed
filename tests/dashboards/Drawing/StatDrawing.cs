using Peft.Orleans.Dashboards.Files;
using ScottPlot;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>The last value, large, over a faint line of those before.</summary>
internal static class StatDrawing
{
    internal static void Draw(SKCanvas canvas, PanelFile panel, IReadOnlyList<NamedSeries> series, PixelRect body)
    {
        var points = series[0].Points.Where(static point => !double.IsNaN(point.Value)).ToArray();
        if (points.Length == 0) return;
        var last = points[^1].Value;
        var step = panel.Steps.LastOrDefault(step => step.From is null || last >= step.From);
        var color = panel.Steps.Count > 1 ? Palette.Named(step?.Color ?? "green") : Palette.Text;
        Spark(canvas, points, color, body);
        var text = UnitText.Of(last, panel.Unit);
        Words.Write(
            canvas, text, body.HorizontalCenter, body.VerticalCenter - 4, Math.Min(34, body.Width / Math.Max(4, text.Length) * 1.4f), color,
            Alignment.MiddleCenter, bold: true);
    }

    private static void Spark(SKCanvas canvas, (double Time, double Value)[] points, Color color, PixelRect body)
    {
        var (least, most) = (points.Min(static point => point.Value), points.Max(static point => point.Value));
        if (points.Length < 2 || !double.IsFinite(most - least) || most - least <= 0) return;
        var (from, to) = (points[0].Time, points[^1].Time);
        using var path = new SKPath();
        path.MoveTo(body.Left, body.Bottom);
        foreach (var (time, value) in points)
        {
            path.LineTo(
                (float)(body.Left + ((time - from) / (to - from) * body.Width)),
                (float)(body.Bottom - ((value - least) / (most - least) * body.Height * 0.45)));
        }

        path.LineTo(body.Right, body.Bottom);
        path.Close();
        using var paint = new SKPaint { Color = color.WithAlpha(0.18).ToSKColor(), Style = SKPaintStyle.Fill, IsAntialias = true };
        canvas.DrawPath(path, paint);
    }
}
