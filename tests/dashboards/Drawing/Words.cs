using ScottPlot;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>Text on a canvas.</summary>
internal static class Words
{
    internal static void Write(
        SKCanvas canvas, string text, float x, float y, float size, Color color, Alignment alignment, bool bold = false)
    {
        using var paint = Paint.NewDisposablePaint();
        Label(text, size, color, alignment, bold).Render(canvas, new Pixel(x, y), paint);
    }

    /// <summary>Width of a text, pixels.</summary>
    internal static float Width(string text, float size)
    {
        using var paint = Paint.NewDisposablePaint();
        return Label(text, size, Palette.Text, Alignment.MiddleLeft, bold: false).Measure(text, paint).Width;
    }

    private static LabelStyle Label(string text, float size, Color color, Alignment alignment, bool bold) => new()
    {
        Text = text,
        FontSize = size,
        ForeColor = color,
        Alignment = alignment,
        Bold = bold,
    };
}
