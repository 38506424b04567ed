using Peft.Orleans.Dashboards.Answers;
using Peft.Orleans.Dashboards.Files;
using ScottPlot;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>Every dashboard as a picture of what Prometheus answers to its expressions.</summary>
/// <param name="prometheus">Who is asked.</param>
/// <param name="from">Beginning, Unix seconds.</param>
/// <param name="to">End, Unix seconds.</param>
internal sealed class Pictures(PrometheusApi prometheus, double from, double to)
{
    /// <summary>Where it is missing, the system's default.</summary>
    private const string Font = "DejaVu Sans";

    /// <summary>Points to a line.</summary>
    private const int Points = 240;

    /// <summary>Draws the dashboards of one folder into another; returns the pictures' paths.</summary>
    internal async Task<IReadOnlyList<string>> Draw(string dashboards, string folder)
    {
        Directory.CreateDirectory(folder);
        Fonts.Default = Font;
        var paths = new List<string>();
        foreach (var file in Directory.EnumerateFiles(dashboards, "*.json").Order(StringComparer.Ordinal))
        {
            var board = BoardFile.Read(file);
            var panels = new List<(PanelFile, IReadOnlyList<NamedSeries>)>();
            foreach (var panel in board.Panels) panels.Add((panel, await Ask(panel)));
            paths.Add(Path.Combine(folder, board.Name + ".png"));
            BoardDrawing.Write(board, panels, new Span(from, to), paths[^1]);
        }

        return paths;
    }

    private async Task<IReadOnlyList<NamedSeries>> Ask(PanelFile panel)
    {
        var step = Math.Max(1, Math.Round((to - from) / Points));
        var answers = new List<NamedSeries>();
        foreach (var target in panel.Targets)
        {
            var expression = Variables.Replace(target.Expression, (int)Math.Max(5, 4 * step));
            foreach (var series in await prometheus.Query(expression, from, to, step))
                answers.Add(NamedSeries.Of(series, target.Legend));
        }

        return answers;
    }
}

/// <summary>The time that is drawn, Unix seconds.</summary>
internal readonly record struct Span(double From, double To);
