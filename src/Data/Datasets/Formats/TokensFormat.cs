using System.Text.Json;
using Peft.Orleans.Core.Batches;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary><c>{"input_ids": [...], "labels": [...]}</c>, taken as they are.</summary>
internal sealed class TokensFormat : SampleFormat
{
    public override bool IsTokens => true;

    public override void Check(JsonElement line) => ReadTokens(line);

    public override (int[] Ids, int[] Labels) Read(JsonElement line) => ReadTokens(line);

    /// <summary>Ids and labels of a line.</summary>
    /// <exception cref="FormatException">Says what is wrong with them.</exception>
    internal static (int[] Ids, int[] Labels) ReadTokens(JsonElement line)
    {
        var ids = Integers(line, "input_ids");
        var labels = Integers(line, "labels");
        if (ids.Length == 0)
            throw new FormatException("\"input_ids\" is empty");
        if (ids.Length != labels.Length)
            throw new FormatException($"\"input_ids\" has {ids.Length} entries, \"labels\" has {labels.Length}");
        var negative = Array.FindIndex(ids, static id => id < 0);
        if (negative >= 0) throw new FormatException($"\"input_ids\"[{negative}] is {ids[negative]}");
        negative = Array.FindIndex(labels, static label => label < 0 && label != Microbatch.Masked);
        if (negative >= 0)
            throw new FormatException($"\"labels\"[{negative}] is {labels[negative]}; a position that is not learned has −100");
        LineFields.CheckTokens(line, labels);
        return (ids, labels);
    }

    /// <summary>Refuses ids and labels that the model does not have.</summary>
    /// <exception cref="FormatException">Says which.</exception>
    internal static void CheckVocabulary(int[] ids, int[] labels, int vocabularySize, string hint)
    {
        foreach (var (what, tokens) in new[] { ("token id", ids), ("label", labels) })
        {
            var at = Array.FindIndex(tokens, id => id >= vocabularySize);
            if (at >= 0)
                throw new FormatException(
                    $"{what} {tokens[at]} at position {at} is not below the model's vocab_size {vocabularySize}{hint}"
                );
        }
    }

    private static int[] Integers(JsonElement line, string key)
    {
        if (!line.TryGetProperty(key, out var value)) throw new FormatException($"the field \"{key}\" is missing");
        if (value.ValueKind != JsonValueKind.Array) throw new FormatException($"the field \"{key}\" is not a list of token ids");
        var numbers = new int[value.GetArrayLength()];
        var i = 0;
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out numbers[i]))
                throw new FormatException($"\"{key}\"[{i}] is {item.GetRawText()}, which is no token id");
            i++;
        }

        return numbers;
    }
}
