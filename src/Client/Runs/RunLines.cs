using System.Text;
using System.Text.Json;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Client.Runs;

/// <summary>Which lines of a run's journals are whole: one that a full disk or a killed process damaged loses nothing but itself.</summary>
internal static class RunLines
{
    // Nodes made of an object with a key twice throw when they are looked into.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private static readonly string[] Numbers =
        ["step", "loss", "learningRate", "gradientNorm", "tokens", "targetTokens", "seconds", "validationLoss", "term", "silos"];

    /// <summary>Whether a line is one of metrics.jsonl: a step and its loss, and numbers where numbers belong.</summary>
    public static bool IsMetrics(string line) =>
        IsObject(line, static root =>
            root.TryGetProperty("step", out var step)
            && step.ValueKind == JsonValueKind.Number
            && step.TryGetInt32(out _)
            && root.TryGetProperty("loss", out var loss)
            && loss.ValueKind == JsonValueKind.Number
            && Array.TrueForAll(Numbers, key =>
                !root.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null || IsNumber(value)
            )
            && (
                !root.TryGetProperty("lambda", out var lambda)
                || lambda.ValueKind == JsonValueKind.Null
                || (lambda.ValueKind == JsonValueKind.Array && lambda.EnumerateArray().All(IsNumber))
            )
        );

    /// <summary>Whether a line is one of events.jsonl.</summary>
    public static bool IsEvent(string line) =>
        IsObject(line, static root =>
            Array.TrueForAll((string[])["time", "event"], key =>
                !root.TryGetProperty(key, out var value) || value.ValueKind is JsonValueKind.String or JsonValueKind.Null
            )
        );

    private static bool IsNumber(JsonElement value) => value.ValueKind == JsonValueKind.Number && double.IsFinite(value.GetDouble());

    private static bool IsObject(string line, Func<JsonElement, bool> fits)
    {
        try
        {
            var text = Encoding.UTF8.GetBytes(line);
            JsonText.Parse(text).Dispose();
            using var document = JsonDocument.Parse(text, Strict);
            return document.RootElement.ValueKind == JsonValueKind.Object && fits(document.RootElement);
        }
        catch (Exception error) when (error is FormatException or JsonException)
        {
            return false;
        }
    }
}
