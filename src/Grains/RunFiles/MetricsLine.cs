using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>A step's record, which travels with its version, and the line of metrics.jsonl that becomes of it.</summary>
public static class MetricsLine
{
    private const string SamplesKey = "samples";

    /// <summary>The record of a step, without what is only known later.</summary>
    public static string Write(
        int step, double loss, double learningRate, double gradientNorm, int tokens, int targetTokens, double seconds, double[] lambda, int term, int silos,
        string[] samples)
    {
        var line = new JsonObject
        {
            ["step"] = step,
            ["loss"] = loss,
            ["learningRate"] = learningRate,
            ["gradientNorm"] = gradientNorm,
            ["tokens"] = tokens,
            ["targetTokens"] = targetTokens,
            ["seconds"] = Math.Round(seconds, 6),
        };
        if (lambda.Length > 0) line["lambda"] = new JsonArray([.. lambda.Select(static value => (JsonNode)value)]);
        line["term"] = term;
        line["silos"] = silos;
        line[SamplesKey] = new JsonArray([.. samples.Select(static hash => (JsonNode)hash)]);
        return line.ToJsonString();
    }

    /// <summary>A record's line of metrics.jsonl, and that of samples.jsonl: the content hash of each microbatch, in order.</summary>
    public static (string Metrics, string Samples) Split(string record)
    {
        var node = JsonNode.Parse(record)!.AsObject();
        var samples = node[SamplesKey]?.DeepClone() ?? new JsonArray();
        node.Remove(SamplesKey);
        return (node.ToJsonString(), new JsonObject { ["step"] = node["step"]!.DeepClone(), [SamplesKey] = samples }.ToJsonString());
    }

    /// <summary>The line with a validation loss.</summary>
    public static string WithValidation(string line, double validationLoss)
    {
        var node = JsonNode.Parse(line)!.AsObject();
        node["validationLoss"] = validationLoss;
        return node.ToJsonString();
    }

    /// <summary>The step of a line; 0 when it has none.</summary>
    public static int StepOf(string line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.TryGetProperty("step", out var step) ? step.GetInt32() : 0;
    }

    /// <summary>A number of a line, or null.</summary>
    public static double? Number(string line, string key)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
    }
}
