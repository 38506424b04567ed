using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Output;

/// <summary>Events of a run for the terminal.</summary>
internal static class EventText
{
    /// <summary>When it happened, in local time, and what.</summary>
    /// <param name="line">A line of events.jsonl.</param>
    public static (string Time, string Sentence) Of(JsonNode line) => (
        DateTimeOffset.TryParse(RunEvents.Word(line["time"]), CultureInfo.InvariantCulture, out var when)
            ? when.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)
            : "",
        RunEvents.Sentence(RunEvents.Word(line["event"]), line["details"] as JsonObject ?? []));
}
