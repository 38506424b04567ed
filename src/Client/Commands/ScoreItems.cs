using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Datasets.Formats;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Commands;

/// <summary>The lines that <c>score</c> reads, as sequences with labels.</summary>
internal static class ScoreItems
{
    /// <summary>Reads a data file.</summary>
    /// <param name="path">Lines <c>{"input_ids", "labels"}</c> or <c>{"context", "continuation"}</c>.</param>
    /// <param name="tokenizer">Asked for at the first line of text.</param>
    /// <param name="vocabulary">The model's vocab_size.</param>
    /// <exception cref="PeftException">Names file and line.</exception>
    public static IReadOnlyList<ScoreItem> Read(string path, Func<ITextTokenizer> tokenizer, int vocabulary)
    {
        if (Directory.Exists(path)) throw new PeftException($"--input {path} is a folder; name a JSONL file");
        if (!File.Exists(path)) throw new PeftException($"--input {path} not found");
        var items = new List<ScoreItem>();
        var before = 0;
        var file = new RecordFile(path);
        file.Read((number, _, text) =>
        {
            // Results stand in the order of the lines: one left out would shift all after it.
            if (number != before + 1)
                throw new PeftException(
                    $"{path}, line {before + 1}: the line is empty; results have a line for each of the file's, so remove it"
                );
            before = number;
            items.Add(Parse(text.ToArray(), $"{path}, {file.Place} {number}", tokenizer, vocabulary));
        });
        return items.Count > 0
            ? items
            : throw new PeftException(
                $"{path} is empty; it needs one {{\"context\", \"continuation\"}} or {{\"input_ids\", \"labels\"}} per line"
            );
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

    private static ScoreItem Parse(ReadOnlyMemory<byte> line, string place, Func<ITextTokenizer> tokenizer, int vocabulary)
    {
        try
        {
            using var document = JsonRecord.Parse(line);
            var root = document.RootElement;
            if (root.TryGetProperty("input_ids", out _))
            {
                var (ids, labels) = TokensFormat.ReadTokens(root);
                TokensFormat.CheckVocabulary(ids, labels, vocabulary, "");
                return new ScoreItem(ids, labels);
            }

            if (!root.TryGetProperty("context", out _) && !root.TryGetProperty("continuation", out _))
                throw new FormatException(
                    "expected {\"context\": TEXT, \"continuation\": TEXT} or {\"input_ids\": [...], \"labels\": [...]}"
                );
            LineFields.CheckPlain(root, "context");
            var item = Encode(SampleFormat.Text(root, "context"), SampleFormat.Text(root, "continuation"), tokenizer());
            if (item.InputIds.Length == 0) throw new FormatException("context and continuation have no token");
            TokensFormat.CheckVocabulary(item.InputIds, [], vocabulary, "; tokenizer and model do not belong together");
            return item;
        }
        catch (FormatException error)
        {
            throw new PeftException($"{place}: {error.Message}", error);
        }
    }

    private static int Beginning(ITextTokenizer tokenizer) => WithoutEnd("", tokenizer).Length;

    /// <summary>
    /// The tokens of a text with what the tokenizer's files put before it, without the end-of-text token they may put after it.
    /// </summary>
    private static int[] WithoutEnd(string text, ITextTokenizer tokenizer)
    {
        var ids = tokenizer.Encode(text, addSpecialTokens: true);
        var plain = tokenizer.Encode(text, addSpecialTokens: false);
        return
            tokenizer.EosId is { } end
            && ids.Length > plain.Length
            && ids[^1] == end
            && (plain.Length == 0 || plain[^1] != end || ids[^2] == end)
            && ids.Length > 1
            ? ids[..^1]
            : ids;
    }
}
