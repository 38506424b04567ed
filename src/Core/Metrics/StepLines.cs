using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Core.Metrics;

/// <summary>A step's record as JSON: the one place that knows the keys of metrics.jsonl and samples.jsonl, and their order.</summary>
public static class StepLines
{
    private const string Samples = "samples";

    /// <summary>The step's line of metrics.jsonl.</summary>
    public static string Metrics(StepRecord record) => Object(record).ToJsonString();

    /// <summary>The step's line of samples.jsonl.</summary>
    public static string SamplesOf(StepRecord record) =>
        new JsonObject { ["step"] = record.Step, [Samples] = Array(record.Samples) }.ToJsonString();

    /// <summary>Both in one, as it lies in a snapshot.</summary>
    public static string Whole(StepRecord record)
    {
        var line = Object(record);
        line[Samples] = Array(record.Samples);
        return line.ToJsonString();
    }

    /// <summary>Reads a line of either file; null where it is none: torn, or without a step.</summary>
    public static StepRecord? Read(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || Number(root, "step") is not { } step) return null;
            return new StepRecord
            {
                Step = (int)step,
                Loss = Number(root, "loss") ?? double.NaN,
                LearningRate = Number(root, "learningRate") ?? double.NaN,
                GradientNorm = Number(root, "gradientNorm") ?? double.NaN,
                Tokens = (int)(Number(root, "tokens") ?? 0),
                TargetTokens = (int)(Number(root, "targetTokens") ?? 0),
                Seconds = Number(root, "seconds") ?? 0,
                Lambda = [.. Items(root, "lambda", JsonValueKind.Number).Select(static item => item.GetDouble())],
                ValidationLoss = Number(root, "validationLoss"),
                Term = (int)(Number(root, "term") ?? 0),
                Silos = (int)(Number(root, "silos") ?? 0),
                Samples = [.. Items(root, Samples, JsonValueKind.String).Select(static item => item.GetString()!)],
            };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Reads all lines that are of steps.</summary>
    public static IEnumerable<StepRecord> ReadAll(IEnumerable<string> lines) => lines.Select(Read).OfType<StepRecord>();

    private static JsonObject Object(StepRecord record)
    {
        var line = new JsonObject
        {
            ["step"] = record.Step,
            ["loss"] = record.Loss,
            ["learningRate"] = record.LearningRate,
            ["gradientNorm"] = record.GradientNorm,
            ["tokens"] = record.Tokens,
            ["targetTokens"] = record.TargetTokens,
            ["seconds"] = Math.Round(record.Seconds, 6),
        };
        if (record.Lambda.Length > 0) line["lambda"] = new JsonArray([.. record.Lambda.Select(static value => (JsonNode)value)]);
        line["term"] = record.Term;
        line["silos"] = record.Silos;
        if (record.ValidationLoss is { } validation) line["validationLoss"] = validation;
        return line;
    }

    private static JsonArray Array(string[] hashes) => new([.. hashes.Select(static hash => (JsonNode)hash)]);

    private static double? Number(JsonElement line, string key) =>
        line.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static IEnumerable<JsonElement> Items(JsonElement line, string key, JsonValueKind kind) =>
        line.TryGetProperty(key, out var list) && list.ValueKind == JsonValueKind.Array
            ? list.EnumerateArray().Where(item => item.ValueKind == kind)
            : [];
}
