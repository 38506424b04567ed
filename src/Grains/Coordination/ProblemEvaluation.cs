using System.Text.RegularExpressions;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>Answers held-out problems greedily and counts those whose last number is right.</summary>
internal static partial class ProblemEvaluation
{
    /// <summary>Fraction answered correctly, and the number of problems.</summary>
    internal static async Task<(double Correct, int Problems)> Run(PipelineCaller caller, RunSpec spec, EvaluationSource source)
    {
        var tokenizer = TokenizerLoader.Load(spec.Model.Path);
        var config = LlamaConfig.Read(spec.Model.Path);
        var problems = Read(source.Path);
        var prompts = problems.Select(problem => tokenizer.Encode(problem.Prompt, addSpecialTokens: true)).ToArray();
        var answers = await caller.Generate(new GenerationRequest(prompts, source.MaxNewTokens, [.. config.EosTokenIds], 0, 1, 0));
        var correct = 0;
        for (var i = 0; i < problems.Count; i++)
        {
            var answer = LastNumber(tokenizer.Decode(answers[i].Ids, skipSpecialTokens: true));
            if (answer is not null && answer == LastNumber(problems[i].Completion)) correct++;
        }

        return ((double)correct / problems.Count, problems.Count);
    }

    /// <summary>The last integer in a text, without leading zeros; null when there is none.</summary>
    internal static string? LastNumber(string text)
    {
        var matches = Numbers().Matches(text);
        return matches.Count == 0 ? null : System.Numerics.BigInteger.Parse(matches[^1].Value, System.Globalization.CultureInfo.InvariantCulture).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private static List<(string Prompt, string Completion)> Read(string path)
    {
        var problems = new List<(string, string)>();
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                using var document = System.Text.Json.JsonDocument.Parse(line);
                problems.Add((document.RootElement.GetProperty("prompt").GetString()!, document.RootElement.GetProperty("completion").GetString()!));
            }
            catch (Exception error) when (error is System.Text.Json.JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new PeftException($"{path}, line {number}: not a problem with \"prompt\" and \"completion\": {error.Message}", error);
            }
        }

        return problems.Count > 0 ? problems : throw new PeftException($"{path}: no evaluation problem in it");
    }

    [GeneratedRegex(@"-?\d+")]
    private static partial Regex Numbers();
}
