using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Output;

/// <summary>Events of a run for the terminal.</summary>
internal static class EventText
{
    /// <summary>When it happened, in local time, and what.</summary>
    /// <param name="line">A line of events.jsonl.</param>
    public static (string Time, string Sentence) Of(JsonNode line) =>
        (Time(line["time"]), RunEvents.Sentence(RunEvents.Word(line["event"]), line["details"] as JsonObject ?? []));

    /// <summary>The last things that happened, the newest last; of snapshots in a row the last alone, with how many came before.</summary>
    /// <param name="lines">Lines of events.jsonl, all of them.</param>
    /// <param name="count">Most of them.</param>
    public static IReadOnlyList<(string Time, string Sentence)> Last(IReadOnlyList<string> lines, int count)
    {
        var told = new Stack<(string Time, string Sentence)>();
        for (var i = lines.Count - 1; i >= 0 && told.Count < count; i--)
        {
            var (time, sentence) = Of(JsonNode.Parse(lines[i])!);
            var others = 0;
            while (IsSnapshot(lines[i]) && i > 0 && IsSnapshot(lines[i - 1])) (i, others) = (i - 1, others + 1);
            told.Push((time, others > 0 ? $"{sentence} (and {others} before it)" : sentence));
        }

        return [.. told];
    }

    private static bool IsSnapshot(string line) => RunEvents.Word(JsonNode.Parse(line)!["event"]) == RunEvents.Snapshot;

    /// <summary>A moment in local time; empty where it is none.</summary>
    public static string Time(JsonNode? moment) =>
        DateTimeOffset.TryParse(RunEvents.Word(moment), CultureInfo.InvariantCulture, out var when)
            ? when.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)
            : "";
}
