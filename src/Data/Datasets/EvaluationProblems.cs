using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Datasets.Formats;

namespace Peft.Orleans.Data.Datasets;

/// <summary>A problem to be answered by greedy generation.</summary>
/// <param name="Prompt">What the model continues.</param>
/// <param name="Completion">The reference answer.</param>
public sealed record EvaluationProblem(string Prompt, string Completion);

/// <summary>Problems of <c>data.evaluation</c> and how answers are judged.</summary>
public static partial class EvaluationProblems
{
    /// <summary>Reads data files with <c>prompt</c> and <c>completion</c>.</summary>
    /// <exception cref="PeftException">Names file and line of what is wrong.</exception>
    public static IReadOnlyList<EvaluationProblem> Read(string path)
    {
        var problems = new List<EvaluationProblem>();
        var wrong = new WrongRecords();
        foreach (var name in DataFiles.Require(path))
        {
            var file = new RecordFile(name);
            file.Read((number, _, text) =>
            {
                try
                {
                    problems.Add(ReadLine(text.ToArray()));
                }
                catch (FormatException error)
                {
                    wrong.Add(name, file.Place, number, error.Message);
                }
            });
        }

        wrong.Refuse();
        return problems.Count > 0 ? problems : throw new PeftException($"{path}: there are no evaluation problems");
    }

    /// <summary>Whether a generated text answers a problem.</summary>
    public static bool IsCorrect(EvaluationMetric metric, string generated, string reference) => metric switch
    {
        EvaluationMetric.LastNumber => LastNumber(reference) is { } expected && LastNumber(generated) == expected,
        _ => throw new ArgumentOutOfRangeException(nameof(metric), metric, null),
    };

    /// <summary>The last number of a text, thousands separators and a final full stop aside; null if there is none.</summary>
    public static decimal? LastNumber(string text)
    {
        decimal? last = null;
        foreach (Match match in Number().Matches(text))
        {
            if (
                decimal.TryParse(
                    match.Value.Replace(",", "", StringComparison.Ordinal),
                    NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint,
                    CultureInfo.InvariantCulture,
                    out var number
                )
            )
                last = number;
        }

        return last;
    }

    private static EvaluationProblem ReadLine(ReadOnlyMemory<byte> text)
    {
        using var document = JsonRecord.Parse(text);
        var line = document.RootElement;
        LineFields.CheckPlain(line);
        if (line.TryGetProperty("prompt", out var prompt) && prompt.ValueKind == JsonValueKind.String
            && line.TryGetProperty("completion", out var completion) && completion.ValueKind == JsonValueKind.String)
            return new EvaluationProblem(prompt.GetString()!, completion.GetString()!);
        throw new FormatException("an evaluation problem is an object with the texts \"prompt\" and \"completion\"");
    }

    [GeneratedRegex(@"(?<!\d)-?\d[\d,]*(\.\d+)?")]
    private static partial Regex Number();
}
