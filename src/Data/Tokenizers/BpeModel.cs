using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>A BPE vocabulary from another file format, to be written as <c>tokenizer.json</c>.</summary>
internal sealed class BpeModel
{
    /// <summary>Tokens and their ids.</summary>
    public required JsonObject Vocab { get; init; }

    /// <summary>Merges in order of priority.</summary>
    public required JsonArray Merges { get; init; }

    /// <summary>Added tokens.</summary>
    public JsonArray Added { get; init; } = [];

    /// <summary>Normalizer; null: none.</summary>
    public JsonNode? Normalizer { get; init; }

    /// <summary>Pre-tokenizer; null: none.</summary>
    public JsonNode? PreTokenizer { get; init; }

    /// <summary>Decoder.</summary>
    public JsonNode Decoder { get; init; } = ByteLevelNode(addPrefixSpace: true, useRegex: true);

    /// <summary>Whether a whole word that is in the vocabulary is one token whatever the merges say.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Whether characters outside the vocabulary become byte tokens.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>The token of what is not in the vocabulary.</summary>
    public string? Unknown { get; init; }

    public static JsonObject ByteLevelNode(bool addPrefixSpace, bool useRegex) =>
        new() { ["type"] = "ByteLevel", ["add_prefix_space"] = addPrefixSpace, ["trim_offsets"] = true, ["use_regex"] = useRegex };

    public static JsonObject AddedToken(string text, int id, bool special) => new()
    {
        ["id"] = id,
        ["content"] = text,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = special,
    };

    /// <summary>
    /// Merges of a vocabulary that comes without them: every split of a token into two tokens, tokens in order of priority.
    /// </summary>
    public static JsonArray MergesOf(IEnumerable<string> tokens, Dictionary<string, int> ids)
    {
        var merges = new JsonArray();
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var splits = new List<(int Left, int Right, int At)>();
        foreach (var token in tokens)
        {
            splits.Clear();
            for (var at = 1; at < token.Length; at++)
            {
                if (lookup.TryGetValue(token.AsSpan(0, at), out var left) && lookup.TryGetValue(token.AsSpan(at), out var right))
                    splits.Add((left, right, at));
            }

            splits.Sort();
            foreach (var (_, _, at) in splits) merges.Add(new JsonArray(token[..at], token[at..]));
        }

        return merges;
    }

    public byte[] ToTokenizerJson() => JsonSerializer.SerializeToUtf8Bytes(new JsonObject
    {
        ["version"] = "1.0",
        ["truncation"] = null,
        ["padding"] = null,
        ["added_tokens"] = Added,
        ["normalizer"] = Normalizer,
        ["pre_tokenizer"] = PreTokenizer,
        ["post_processor"] = null,
        ["decoder"] = Decoder,
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = Unknown,
            ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null,
            ["fuse_unk"] = Unknown is not null,
            ["byte_fallback"] = ByteFallback,
            ["ignore_merges"] = IgnoreMerges,
            ["vocab"] = Vocab,
            ["merges"] = Merges,
        },
    });
}
