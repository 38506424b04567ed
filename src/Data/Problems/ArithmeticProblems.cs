using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Datasets;

namespace Peft.Orleans.Data.Problems;

/// <summary>
/// Generates word problems of one- and two-digit addition and subtraction: the whole of what the embedded model knows. One number pair
/// in ten, in either order and for both operations, is held out of everything a model is trained on; only evaluation sets contain it.
/// </summary>
public static class ArithmeticProblems
{
    /// <summary>Largest operand.</summary>
    public const int LargestOperand = 99;

    private const int HeldOutOneIn = 10;
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whether a pair of numbers, in either order, is held out of training.</summary>
    public static bool IsHeldOut(int left, int right)
    {
        var pair = (ulong)(Math.Max(left, right) * (LargestOperand + 1) + Math.Min(left, right));
        return SplitMix64.Mix(pair + 1) % HeldOutOneIn == 0;
    }

    /// <summary>The problems of a set: a pure function of set, count and seed. Problems of evaluation sets are all different.</summary>
    public static IReadOnlyList<ArithmeticProblem> Generate(ProblemSet set, int count, long seed)
    {
        var evaluation = set is ProblemSet.PretrainingEvaluation or ProblemSet.ShiftedEvaluation;
        var wordings = set is ProblemSet.Pretraining or ProblemSet.PretrainingEvaluation ? Wordings.Pretraining : Wordings.Shifted;
        var random = new SplitMix64((ulong)seed, (ulong)set);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var problems = new List<ArithmeticProblem>(count);
        while (problems.Count < count)
        {
            var problem = Next(ref random, wordings);
            if (IsHeldOut(problem.Left, problem.Right) != evaluation) continue;
            if (evaluation && !seen.Add(problem.Prompt)) continue;
            problems.Add(problem);
        }

        return problems;
    }

    /// <summary>Writes the problems of a set as JSONL, <c>{"prompt", "completion"}</c>.</summary>
    public static void WriteProblems(string path, ProblemSet set, int count, long seed)
    {
        var text = new StringBuilder();
        foreach (var problem in Generate(set, count, seed))
            text.Append(JsonSerializer.Serialize(new { prompt = problem.Prompt, completion = problem.Completion }, Json)).Append('\n');
        WriteFile(path, text.ToString());
    }

    /// <summary>
    /// Writes <c>tokenizer.json</c> and <c>tokenizer_config.json</c> of a tokenizer whose tokens are the printable ASCII characters and
    /// the line break: a BPE without merges. Texts begin with <c>&lt;s&gt;</c> (id 1) and end with <c>&lt;/s&gt;</c> (id 2).
    /// </summary>
    /// <returns>Size of the vocabulary.</returns>
    public static int WriteTokenizer(string folder)
    {
        Directory.CreateDirectory(folder);
        string[] special = ["<unk>", "<s>", "</s>"];
        string[] tokens = [.. special, "\n", .. Enumerable.Range(' ', '~' - ' ' + 1).Select(static c => ((char)c).ToString())];
        var vocab = new JsonObject(tokens.Select(static (token, id) => KeyValuePair.Create(token, (JsonNode?)id)));
        var added = new JsonArray([.. special.Select(static (token, id) => Tokenizers.BpeModel.AddedToken(token, id, special: true))]);
        var tokenizer = JsonNode.Parse(new Tokenizers.BpeModel
        {
            Vocab = vocab,
            Merges = [],
            Added = added,
            Decoder = new JsonObject { ["type"] = "Fuse" },
            Unknown = special[0],
        }.ToTokenizerJson())!;
        JsonObject Special(string token) => new() { ["SpecialToken"] = new JsonObject { ["id"] = token, ["type_id"] = 0 } };
        JsonObject Sequence(string name) => new() { ["Sequence"] = new JsonObject { ["id"] = name, ["type_id"] = 0 } };
        tokenizer["post_processor"] = new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray(Special("<s>"), Sequence("A")),
            ["pair"] = new JsonArray(Special("<s>"), Sequence("A"), Sequence("B")),
            ["special_tokens"] = new JsonObject
            {
                ["<s>"] = new JsonObject
                {
                    ["id"] = "<s>",
                    ["ids"] = new JsonArray(1),
                    ["tokens"] = new JsonArray("<s>"),
                },
            },
        };
        var config = new JsonObject
        {
            ["bos_token"] = "<s>",
            ["eos_token"] = "</s>",
            ["unk_token"] = "<unk>",
            ["add_bos_token"] = true,
            ["add_eos_token"] = false,
            ["clean_up_tokenization_spaces"] = false,
            ["tokenizer_class"] = "PreTrainedTokenizerFast",
        };
        var indented = new JsonSerializerOptions(Json) { WriteIndented = true };
        WriteFile(Path.Combine(folder, "tokenizer.json"), tokenizer.ToJsonString(indented) + "\n");
        WriteFile(Path.Combine(folder, "tokenizer_config.json"), config.ToJsonString(indented) + "\n");
        return tokens.Length;
    }

    private static ArithmeticProblem Next(ref SplitMix64 random, Wordings wordings)
    {
        var addition = random.Next(2) == 0;
        var (left, right) = (Operand(ref random), Operand(ref random));
        if (!addition && left < right) (left, right) = (right, left);
        var stories = addition ? wordings.Additions : wordings.Subtractions;
        var story = stories[random.Next(stories.Length)];
        var name = random.Next(wordings.Names.Length);
        var other = (name + 1 + random.Next(wordings.Names.Length - 1)) % wordings.Names.Length;
        var prompt = story
            .Replace("{N}", wordings.Names[name], StringComparison.Ordinal)
            .Replace("{M}", wordings.Names[other], StringComparison.Ordinal)
            .Replace(
                "{P}",
                wordings.Places.Length > 0 ? wordings.Places[random.Next(wordings.Places.Length)] : "",
                StringComparison.Ordinal
            )
            .Replace("{o}", wordings.Objects[random.Next(wordings.Objects.Length)], StringComparison.Ordinal)
            .Replace("{a}", $"{left}", StringComparison.Ordinal)
            .Replace("{b}", $"{right}", StringComparison.Ordinal);
        return new ArithmeticProblem(
            prompt,
            addition ? $" {left} + {right} = {left + right}." : $" {left} - {right} = {left - right}.",
            left,
            right
        );
    }

    // Two thirds of the operands have two digits.
    private static int Operand(ref SplitMix64 random) => random.Next(3) == 0 ? 1 + random.Next(9) : 10 + random.Next(LargestOperand - 9);

    private static void WriteFile(string path, string text)
    {
        try
        {
            File.WriteAllText(path, text);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be written: {error.Message}", error);
        }
    }
}
