using System.Text.Json;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary><c>{"text"}</c>, learned whole.</summary>
internal sealed class TextFormat(ITextTokenizer tokenizer) : SampleFormat
{
    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        var ids = EncodeToEnd(tokenizer, Text(line, "text"));
        return (ids, (int[])ids.Clone());
    }
}

/// <summary><c>{"prompt", "completion"}</c>.</summary>
internal sealed class CompletionFormat(ITextTokenizer tokenizer, bool maskPrompt) : SampleFormat
{
    public override (int[] Ids, int[] Labels) Read(JsonElement line) =>
        Complete(tokenizer, Text(line, "prompt"), Text(line, "completion"), maskPrompt);
}

/// <summary><c>{"instruction", "input", "output"}</c> in the prompt of Stanford Alpaca; the response begins on the line after its heading.</summary>
internal sealed class AlpacaFormat(ITextTokenizer tokenizer, bool maskPrompt) : SampleFormat
{
    public override (int[] Ids, int[] Labels) Read(JsonElement line) =>
        Complete(tokenizer, Prompt(Text(line, "instruction"), Text(line, "input", absent: "")), Text(line, "output"), maskPrompt);

    internal static string Prompt(string instruction, string input) => input.Length > 0
        ? "Below is an instruction that describes a task, paired with an input that provides further context. "
            + $"Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
        : "Below is an instruction that describes a task. "
            + $"Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:\n";
}
