using System.Globalization;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;
using Xunit;

namespace Peft.Orleans.Grains.Tests.RunFiles;

/// <summary>What watchers read of journals that a run writes, and that a new term puts copies in the place of.</summary>
public sealed class RunHistoryTests : IDisposable
{
    private readonly RunFolder folder = new(Directory.CreateTempSubdirectory("history").FullName);
    private readonly RunHistory history;

    public RunHistoryTests() => history = new RunHistory(folder);

    public void Dispose() => Directory.Delete(folder.Path, recursive: true);

    [Fact]
    public void A_run_that_has_not_begun_has_none()
    {
        history.Refresh();
        Assert.Empty(history.Steps(0, 0).Points);
        Assert.Empty(history.Events(0));
    }

    [Fact]
    public void Lines_are_read_as_they_come_and_torn_ones_when_they_are_whole()
    {
        File.AppendAllText(folder.Metrics, Step(1, 4) + "\n" + Step(2, 3)[..10]);
        Assert.Equal([4.0], Losses());
        File.AppendAllText(folder.Metrics, Step(2, 3)[10..] + "\n");
        Assert.Equal([4.0, 3.0], Losses());
    }

    /// <summary>A writer that was replaced has written a line that its successor never saw, and wrote otherwise.</summary>
    [Fact]
    public void A_copy_in_the_files_place_is_read_from_its_beginning_where_it_differs()
    {
        File.WriteAllText(folder.Metrics, Step(1, 4) + "\n" + Step(2, 3) + "\n");
        Assert.Equal([4.0, 3.0], Losses());
        var copy = folder.Metrics + ".tmp";
        File.WriteAllText(copy, Step(1, 4) + "\n" + Step(2, 3.25) + "\n" + Step(3, 2) + "\n");
        File.Move(copy, folder.Metrics, overwrite: true);
        Assert.Equal([4.0, 3.25, 2.0], Losses());
    }

    [Fact]
    public void A_shorter_file_is_read_from_its_beginning()
    {
        File.WriteAllText(folder.Events, Event(RunEvents.Started, 1) + "\n" + Event(RunEvents.Snapshot, 2) + "\n");
        history.Refresh();
        File.WriteAllText(folder.Events, Event(RunEvents.Recovered, 9) + "\n");
        history.Refresh();
        Assert.Equal([(1, Event(RunEvents.Recovered, 9))], history.Events(0).Select(static line => (line.Number, line.Line)));
    }

    /// <summary>Thousands of snapshots push no change of silos out, and memory stays bounded.</summary>
    [Fact]
    public void Of_very_many_events_the_changes_stay()
    {
        File.WriteAllLines(folder.Events, (string[])
        [
            Event(RunEvents.Term, 0),
            .. Enumerable.Range(1, 5000).Select(static step => Event(RunEvents.Snapshot, step)),
            Event(RunEvents.Term, 5001),
        ]);
        history.Refresh();
        var events = history.Events(0);
        Assert.Equal(RunHistory.MostOthers + 2, events.Count);
        Assert.Equal(
            [1, 5002],
            events.Where(static line => line.Line.Contains("\"term\"", StringComparison.Ordinal)).Select(static line => line.Number));
        Assert.Empty(history.Events(5002));
    }

    [Fact]
    public void What_is_no_journals_line_is_passed_over()
    {
        File.WriteAllText(folder.Metrics, "[]\nnull\n" + new string('x', 3 << 20) + "\n" + Step(1, 4) + "\n");
        File.WriteAllText(folder.Events, "7\n{\"event\":7}\n{\"a\":1}\n" + Event(RunEvents.Started, 1) + "\n");
        Assert.Equal([4.0], Losses());
        Assert.Equal([Event(RunEvents.Started, 1)], history.Events(0).Select(static line => line.Line));
    }

    private double[] Losses()
    {
        history.Refresh();
        return [.. history.Steps(0, 0).Points.Select(static point => point.Loss)];
    }

    private static string Step(int step, double loss) =>
        string.Create(CultureInfo.InvariantCulture, $$"""{"step":{{step}},"loss":{{loss}},"gradientNorm":1,"term":1}""");

    private static string Event(string name, int step) =>
        $$"""{"time":"2026-01-01T00:00:00Z","event":"{{name}}","details":{"step":{{step}} } }""";
}
