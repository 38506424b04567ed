using System.Text.Json;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>What the journals of a run tell, kept in bounded memory and brought up to date from where they were read last.</summary>
internal sealed class RunHistory(RunFolder folder)
{
    /// <summary>Most events kept of changes (terms, silos), and of all others.</summary>
    internal const int MostChanges = 500, MostOthers = 100;

    private readonly JournalTail metrics = new(folder.Metrics);
    private readonly JournalTail events = new(folder.Events);
    private readonly Queue<NumberedEvent> changes = [];
    private readonly Queue<NumberedEvent> others = [];
    private StepSeries steps = new();
    private int count;

    /// <summary>Reads what has come since.</summary>
    internal void Refresh()
    {
        metrics.Read(() => steps = new StepSeries(), line =>
        {
            if (StepLines.Read(line) is { Step: > 0 } step) steps.Add(step);
        });
        events.Read(Forget, Take);
    }

    /// <summary>Points of the steps since one.</summary>
    internal StepCourse Steps(int after, int width) => steps.Since(after, width);

    /// <summary>Events since one, in order.</summary>
    internal IReadOnlyList<NumberedEvent> Events(int after) =>
        [.. changes.Concat(others).Where(line => line.Number > after).OrderBy(static line => line.Number)];

    private void Forget()
    {
        changes.Clear();
        others.Clear();
        count = 0;
    }

    private void Take(string line)
    {
        if (NameOf(line) is not { } name) return;
        var (kept, most) = name is RunEvents.Snapshot or RunEvents.Best ? (others, MostOthers) : (changes, MostChanges);
        kept.Enqueue(new NumberedEvent(++count, line));
        if (kept.Count > most) kept.Dequeue();
    }

    private static string? NameOf(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.TryGetProperty("event", out var name) ? name.GetString() : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Torn, or none of ours.
            return null;
        }
    }
}
