using System.Text.Json;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary><c>{"text"}</c>, learned whole.</summary>
internal sealed class TextFormat(ITextTokenizer tokenizer) : SampleFormat
{
    private static readonly string[] Beside = ["context", "history", "messages", "conversations"];

    public override void Check(JsonElement line)
    {
        LineFields.CheckPlain(line, Beside);
        RequireText(line, "text");
    }

    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        Check(line);
        var ids = EncodeToEnd(tokenizer, Text(line, "text"));
        return (ids, (int[])ids.Clone());
    }
}

/// <summary><c>{"prompt", "completion"}</c>.</summary>
internal sealed class CompletionFormat(ITextTokenizer tokenizer, bool maskPrompt) : SampleFormat
{
    public override void Check(JsonElement line)
    {
        LineFields.CheckPlain(line);
        RequireText(line, "prompt");
        RequireText(line, "completion");
    }

    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        Check(line);
        return Complete(tokenizer, Text(line, "prompt"), Text(line, "completion"), maskPrompt);
    }
}

/// <summary>
/// <c>{"instruction", "input", "output"}</c> in the prompt of Stanford Alpaca; the response begins on the line after its heading. A
/// <c>system</c> takes the place of the first sentences, and <c>history</c> holds earlier turns, which are learned too, as LLaMA-Factory
/// and axolotl have it.
/// </summary>
internal sealed class AlpacaFormat(ITextTokenizer tokenizer, bool maskPrompt) : SampleFormat
{
    public override void Check(JsonElement line)
    {
        LineFields.CheckAlpaca(line);
        RequireText(line, "input", mayBeAbsent: true);
        RequireText(line, "output");
        if (LineFields.Says(line, "system", out _)) RequireText(line, "system");
        RequireText(line, "instruction");
        History(line);
    }

    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        Check(line);
        var (input, output) = (Text(line, "input", absent: ""), Text(line, "output"));
        var preamble = LineFields.Says(line, "system", out _) ? Text(line, "system") + "\n\n" : Preamble(input);
        var last = Turn(Text(line, "instruction"), input);
        var earlier = History(line);
        if (earlier.Count == 0) return Complete(tokenizer, preamble + last, output, maskPrompt);
        var (ids, labels) = (new List<int>(), new List<int>());
        foreach (var (prompt, reply) in earlier.Select(static turn => (Turn(turn.User, ""), turn.Reply)).Append((last, output)))
        {
            // A reply ends with EOS, which no token crosses, so that turns can be encoded one by one.
            var (turnIds, turnLabels) = Complete(
                tokenizer,
                (ids.Count == 0 ? preamble : "\n\n") + prompt,
                reply,
                maskPrompt,
                begins: ids.Count == 0
            );
            ids.AddRange(turnIds);
            labels.AddRange(turnLabels);
        }

        return ([.. ids], [.. labels]);
    }

    private static string Preamble(string input) => input.Length > 0
        ? "Below is an instruction that describes a task, paired with an input that provides further context. "
            + "Write a response that appropriately completes the request.\n\n"
        : "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n";

    private static string Turn(string instruction, string input) => input.Length > 0
        ? $"### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
        : $"### Instruction:\n{instruction}\n\n### Response:\n";

    private static List<(string User, string Reply)> History(JsonElement line)
    {
        if (!LineFields.Says(line, "history", out var history))
            return [];
        if (history.ValueKind != JsonValueKind.Array)
            throw new FormatException("the field \"history\" is not a list of [instruction, response]");
        var turns = new List<(string, string)>();
        foreach (var turn in history.EnumerateArray())
        {
            if (
                turn.ValueKind != JsonValueKind.Array
                || turn.GetArrayLength() != 2
                || turn.EnumerateArray().Any(static text => text.ValueKind != JsonValueKind.String)
            )
                throw new FormatException($"\"history\"[{turns.Count}] is no pair of texts [instruction, response]");
            turns.Add((turn[0].GetString()!, turn[1].GetString()!));
        }

        return turns;
    }
}
