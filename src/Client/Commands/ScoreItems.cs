using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Commands;

/// <summary>The lines that <c>score</c> reads, as sequences with labels.</summary>
internal static class ScoreItems
{
    /// <summary>Reads a JSONL file.</summary>
    /// <param name="path">Lines <c>{"input_ids", "labels"}</c> or <c>{"context", "continuation"}</c>.</param>
    /// <param name="tokenizer">Asked for at the first line of text.</param>
    /// <param name="vocabulary">The model's vocab_size.</param>
    /// <exception cref="PeftException">Names file and line.</exception>
    public static IReadOnlyList<ScoreItem> Read(string path, Func<ITextTokenizer> tokenizer, int vocabulary)
    {
        if (Directory.Exists(path)) throw new PeftException($"--input {path} is a folder; name a JSONL file");
        if (!File.Exists(path)) throw new PeftException($"--input {path} not found");
        var items = new List<ScoreItem>();
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            var item = Parse(line, $"{path}, line {number}", tokenizer);
            if (item.InputIds.FirstOrDefault(id => id < 0 || id >= vocabulary, -1) is var large && large != -1)
                throw new PeftException($"{path}, line {number}: token id {large} is not below the model's vocab_size {vocabulary}");
            items.Add(item);
        }

        return items.Count > 0 ? items : throw new PeftException($"{path} is empty; it needs one {{\"context\", \"continuation\"}} or {{\"input_ids\", \"labels\"}} per line");
    }

    /// <summary>Context and continuation as one sequence; the targets are those after the context's tokens.</summary>
    public static ScoreItem Encode(string context, string continuation, ITextTokenizer tokenizer)
    {
        // A tokenizer splits before a space, not after it: trailing spaces belong to what follows.
        var trimmed = context.TrimEnd();
        continuation = context[trimmed.Length..] + continuation;
        var whole = WithoutEnd(trimmed + continuation, tokenizer);
        var start = trimmed.Length == 0 ? Beginning(tokenizer) : WithoutEnd(trimmed, tokenizer).Length;
        var labels = (int[])whole.Clone();
        Array.Fill(labels, Microbatch.Masked, 0, Math.Min(Math.Max(start, 1), labels.Length));
        return new ScoreItem(whole, labels);
    }

    private static ScoreItem Parse(string line, string place, Func<ITextTokenizer> tokenizer)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.TryGetProperty("input_ids", out var ids))
            {
                int[] input = [.. ids.EnumerateArray().Select(static id => id.GetInt32())];
                int[] labels = [.. root.GetProperty("labels").EnumerateArray().Select(static id => id.GetInt32())];
                if (input.Length == 0) throw new PeftException($"{place}: input_ids is empty");
                return input.Length == labels.Length ? new ScoreItem(input, labels) : throw new PeftException($"{place}: {input.Length} input_ids but {labels.Length} labels; there is one label per id, -100 where it does not count");
            }

            var item = Encode(root.GetProperty("context").GetString()!, root.GetProperty("continuation").GetString()!, tokenizer());
            return item.InputIds.Length > 0 ? item : throw new PeftException($"{place}: context and continuation have no token");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new PeftException($"{place}: expected {{\"context\": TEXT, \"continuation\": TEXT}} or {{\"input_ids\": [...], \"labels\": [...]}}: {error.Message}", error);
        }
    }

    private static int Beginning(ITextTokenizer tokenizer) => WithoutEnd("", tokenizer).Length;

    /// <summary>The tokens of a text with what the tokenizer's files put before it, without the end-of-text token they may put after it.</summary>
    private static int[] WithoutEnd(string text, ITextTokenizer tokenizer)
    {
        var ids = tokenizer.Encode(text, addSpecialTokens: true);
        var plain = tokenizer.Encode(text, addSpecialTokens: false);
        return tokenizer.EosId is { } end && ids.Length > plain.Length && ids[^1] == end && (plain.Length == 0 || plain[^1] != end || ids[^2] == end) && ids.Length > 1 ? ids[..^1] : ids;
    }
}
