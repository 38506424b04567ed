using System.Text.Json;
using Peft.Orleans.Core.Batches;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary><c>{"input_ids": [...], "labels": [...]}</c>, taken as they are.</summary>
internal sealed class TokensFormat : SampleFormat
{
    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        var ids = Integers(line, "input_ids");
        var labels = Integers(line, "labels");
        if (ids.Length == 0) throw new FormatException("\"input_ids\" is empty");
        if (ids.Length != labels.Length) throw new FormatException($"\"input_ids\" has {ids.Length} entries, \"labels\" has {labels.Length}");
        var negative = Array.FindIndex(ids, static id => id < 0);
        if (negative >= 0) throw new FormatException($"\"input_ids\"[{negative}] is {ids[negative]}");
        negative = Array.FindIndex(labels, static label => label < 0 && label != Microbatch.Masked);
        if (negative >= 0) throw new FormatException($"\"labels\"[{negative}] is {labels[negative]}; a position that is not learned has −100");
        return (ids, labels);
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
