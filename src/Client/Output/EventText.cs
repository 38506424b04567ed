using System.Globalization;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Client.Output;

/// <summary>Events of a run as sentences.</summary>
internal static class EventText
{
    /// <summary>When it happened, and what.</summary>
    /// <param name="line">A line of events.jsonl.</param>
    public static (string Time, string Sentence) Of(JsonNode line)
    {
        var time = DateTimeOffset.TryParse(Word(line["time"]), CultureInfo.InvariantCulture, out var when)
            ? when.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)
            : "";
        return (time, Sentence(Word(line["event"]), line["details"] as JsonObject ?? []));
    }

    private static string Sentence(string name, JsonObject details)
    {
        string At(string key) => Word(details[key]);
        return name switch
        {
            "term" => $"term {At("term")} begins at step {At("fromStep")} on {At("silos")}"
                + (Number(details["replicas"]) > 1 ? $" in {At("replicas")} replicas" : "")
                + (At("standbys").Length > 0 ? $", {At("standbys")} standing by" : "")
                + (At("replayed") is not ("" or "0" or "false") ? $"; steps made again: {At("replayed")}" : ""),
            "term_ended" => $"term {At("term")} ended: {At("reason")}",
            "started" => $"the first step was made, {Seconds(details["seconds"])} after the start",
            "recovered" => $"a loss was mended {Seconds(details["seconds"])} after it was noticed, with step {At("step")}",
            "continued" => $"training went on with step {At("step")}, {Seconds(details["seconds"])} after the change of silos",
            "joining" => $"{At("silos")} joined and is taken in",
            "left_out" => $"the run goes on without {At("silo")}: {At("reason")}",
            "evicted" => $"{At("silo")} was evicted: other silos did not reach it",
            "snapshot" => $"snapshot of step {At("step")} written",
            "best" => $"step {At("step")} has the best validation loss so far",
            "evaluation" => $"exact match after step {At("step")}: {Percent(details["exactMatch"])} of {At("problems")} problems",
            "adapter" => $"result of step {At("step")} written to {At("path")} (sha256 {At("sha256")})",
            _ => details.Count == 0 ? name : $"{name}: {Word(details)}",
        };
    }

    /// <summary>Phases of a change, in seconds, together.</summary>
    private static string Seconds(JsonNode? phases)
    {
        var sum = phases is JsonObject named ? named.Sum(static phase => Number(phase.Value)) : Number(phases);
        return string.Create(CultureInfo.InvariantCulture, $"{sum:0.00} s");
    }

    private static string Percent(JsonNode? node) => Number(node).ToString("P1", CultureInfo.InvariantCulture);

    private static double Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<double>(out var number) ? number : 0;

    /// <summary>A value without its JSON: a text bare, a list separated by commas, an object as its parts.</summary>
    public static string Word(JsonNode? node) => node switch
    {
        null => "",
        JsonArray list => string.Join(", ", list.Select(Word)),
        JsonObject map => string.Join(", ", map.Select(static pair => $"{pair.Key} {Word(pair.Value)}")),
        JsonValue value when value.TryGetValue<string>(out var text) => text.ReplaceLineEndings(" "),
        _ => node.ToJsonString(),
    };
}
