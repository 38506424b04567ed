using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>A line of metrics.jsonl.</summary>
public static class MetricsLine
{
    /// <summary>The line of a step, without what is only known later.</summary>
    public static string Write(
        int step, double loss, double learningRate, double gradientNorm, int tokens, int targetTokens, double seconds, double[] lambda, int generation, int silos)
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
        line["generation"] = generation;
        line["silos"] = silos;
        return line.ToJsonString();
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
