using System.Globalization;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// What can happen in a run: the names in events.jsonl, and the sentence that each is told with, on the page and at the terminal.
/// </summary>
/// <remarks>To add an event: its name here, its sentence in <see cref="Sentence"/>, and a line of it in its test.</remarks>
public static class RunEvents
{
    /// <summary>A term begins: plan and first step.</summary>
    public const string Term = "term";

    /// <summary>A term was lost, and why.</summary>
    public const string TermEnded = "term_ended";

    /// <summary>The first step of the run was made.</summary>
    public const string Started = "started";

    /// <summary>The first step after a loss was made.</summary>
    public const string Recovered = "recovered";

    /// <summary>The first step after a change of silos was made.</summary>
    public const string Continued = "continued";

    /// <summary>Silos have come.</summary>
    public const string Joining = "joining";

    /// <summary>A silo was told to leave; others take its layers.</summary>
    public const string Leaving = "leaving";

    /// <summary>A silo is not taken in, and why.</summary>
    public const string LeftOut = "left_out";

    /// <summary>A silo was declared dead: others did not reach it, or its bytes were wrong, with the reason.</summary>
    public const string Evicted = "evicted";

    /// <summary>A snapshot was written.</summary>
    public const string Snapshot = "snapshot";

    /// <summary>A step has the best validation loss so far.</summary>
    public const string Best = "best";

    /// <summary>Held-out problems were answered.</summary>
    public const string Evaluation = "evaluation";

    /// <summary>The result was written.</summary>
    public const string Adapter = "adapter";

    /// <summary>The run's folder is lost, or cannot be written.</summary>
    public const string FolderLost = "folder_lost";

    /// <summary>The run's folder is there again, and whole.</summary>
    public const string FolderRebuilt = "folder_rebuilt";

    /// <summary>What happened, as a sentence without its time.</summary>
    /// <param name="name">The event's name; one of a later version is told by its parts.</param>
    /// <param name="details">What was written with it.</param>
    public static string Sentence(string name, JsonObject details)
    {
        string At(string key) => Word(details[key]);
        return name switch
        {
            Term => $"term {At("term")} begins at step {At("fromStep")} on {At("silos")}"
                + (Number(details["replicas"]) > 1 ? $" in {At("replicas")} replicas" : "")
                + (At("standbys").Length > 0 ? $", {At("standbys")} standing by" : "")
                + (At("replayed") is not ("" or "0" or "false") ? $"; steps made again: {At("replayed")}" : "")
                + (At("lost").Length > 0 ? $"; lost: {At("lost")}" : "")
                + (At("joined").Length > 0 ? $"; new: {At("joined")}" : ""),
            TermEnded => $"term {At("term")} ended: {At("reason")}",
            Started => $"the first step was made, {Seconds(details["seconds"])} after the start",
            Recovered => $"a loss was mended {Seconds(details["seconds"])} after it was noticed, with step {At("step")}",
            Continued => $"training went on with step {At("step")}, {Seconds(details["seconds"])} after the change of silos",
            Joining => $"{At("silos")} joined and {(details["silos"] is JsonArray { Count: > 1 } ? "are" : "is")} taken in",
            Leaving => $"{At("silo")} leaves, and others take its layers",
            LeftOut => $"the run goes on without {At("silo")}: {At("reason")}",
            Evicted => $"{At("silo")} was evicted: {(details["reason"] is null ? "other silos did not reach it" : At("reason"))}",
            Snapshot => $"snapshot of step {At("step")} written",
            Best => $"step {At("step")} has the best validation loss so far",
            Evaluation => $"exact match after step {At("step")}: {Percent(details["exactMatch"])} of {At("problems")} problems",
            Adapter => $"result of step {At("step")} written to {At("path")} (sha256 {At("sha256")})",
            FolderLost => $"the run's folder was lost, or cannot be written, after step {At("step")}; the run goes on in memory",
            FolderRebuilt => $"the run's folder is there again, with every line up to step {At("step")}",
            _ => details.Count == 0 ? name : $"{name}: {Word(details)}",
        };
    }

    /// <summary>A value without its JSON: a text bare, a list separated by commas, an object as its parts.</summary>
    public static string Word(JsonNode? node) => node switch
    {
        null => "",
        JsonArray list => string.Join(", ", list.Select(Word)),
        JsonObject map => string.Join(", ", map.Select(static pair => $"{pair.Key} {Word(pair.Value)}")),
        JsonValue value when value.TryGetValue<string>(out var text) => text.ReplaceLineEndings(" "),
        _ => node.ToJsonString(),
    };

    /// <summary>Phases of a change, in seconds, together.</summary>
    private static string Seconds(JsonNode? phases)
    {
        var sum = phases is JsonObject named ? named.Sum(static phase => Number(phase.Value)) : Number(phases);
        return string.Create(CultureInfo.InvariantCulture, $"{sum:0.00} s");
    }

    private static string Percent(JsonNode? node) => Number(node).ToString("P1", CultureInfo.InvariantCulture);

    private static double Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<double>(out var number) ? number : 0;
}
