using Peft.Orleans.Dashboards.Files;
using ScottPlot;
using SkiaSharp;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>A dashboard as Grafana lays it out, with the answers it was given.</summary>
internal static class BoardDrawing
{
    private const int Width = 1280;
    private const int Columns = 24;
    private const int Line = 26;
    private const int Gap = 4;
    private const int Margin = 8;
    private const int Header = 44;
    private const int ZLibLevel = 9;
    private const byte Shades = 0xF8;

    /// <summary>Draws a dashboard into a PNG.</summary>
    internal static void Write(
        BoardFile board, IReadOnlyList<(PanelFile Panel, IReadOnlyList<NamedSeries> Series)> panels, Span span, string path)
    {
        var height = Header + Margin + (board.Panels.Max(static panel => panel.Place.Top + panel.Place.Height) * Line);
        using var bitmap = new SKBitmap(new SKImageInfo(Width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using (var canvas = new SKCanvas(bitmap))
        {
            canvas.Clear(Palette.Canvas.ToSKColor());
            Words.Write(canvas, board.Title, Margin + 6, Header / 2f, 18, Palette.Text, Alignment.MiddleLeft, bold: true);
            foreach (var (panel, series) in panels) Panel(canvas, panel, series, span);
        }

        // A few shades less make the file a third smaller, and are not seen.
        foreach (ref var shade in bitmap.GetPixelSpan()) shade &= Shades;
        using var pixels = bitmap.PeekPixels()!;
        using var data = pixels.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.NoFilters, ZLibLevel))!;
        using var file = File.Create(path);
        data.SaveTo(file);
    }

    private static void Panel(SKCanvas canvas, PanelFile panel, IReadOnlyList<NamedSeries> series, Span span)
    {
        var column = (Width - (2f * Margin)) / Columns;
        var left = Margin + (panel.Place.Left * column);
        var top = Header + (panel.Place.Top * Line);
        var frame = new SKRect(left, top, left + (panel.Place.Width * column) - Gap, top + (panel.Place.Height * Line) - Gap);
        if (panel.Type == BoardFile.Row)
        {
            Words.Write(canvas, panel.Title, frame.Left + 6, frame.MidY, 14, Palette.Text, Alignment.MiddleLeft, bold: true);
            return;
        }

        using var paint = new SKPaint { Color = Palette.Panel.ToSKColor(), Style = SKPaintStyle.Fill };
        canvas.DrawRect(frame, paint);
        paint.Color = Palette.Border.ToSKColor();
        paint.Style = SKPaintStyle.Stroke;
        canvas.DrawRect(frame, paint);
        Words.Write(canvas, panel.Title, frame.Left + 8, frame.Top + 14, 13, Palette.Text, Alignment.MiddleLeft, bold: true);
        var body = new PixelRect(frame.Left + 4, frame.Right - 6, frame.Bottom - 4, frame.Top + 26);
        if (series.Count == 0)
        {
            Words.Write(canvas, "No data", frame.MidX, frame.MidY, 14, Palette.Faint, Alignment.MiddleCenter);
            return;
        }

        switch (panel.Type)
        {
            case "stat":
                StatDrawing.Draw(canvas, panel, series, body);
                break;
            case "state-timeline":
                TimelineDrawing.Draw(canvas, panel, series, span, body);
                break;
            case "heatmap":
                HeatmapDrawing.Draw(canvas, panel, series, span, body);
                break;
            default:
                LinesDrawing.Draw(canvas, panel, series, span, body);
                break;
        }
    }
}
