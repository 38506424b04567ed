using System.Buffers.Text;
using System.Text;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// Llama 3's original <c>tokenizer.model</c>: a line per token, base64 and rank. It becomes a <c>tokenizer.json</c> as Hugging Face's
/// conversion makes it (merges: every split of a token into two tokens), because .NET's regular expressions see UTF-16 units and split
/// letters outside the basic plane differently. The 256 special tokens are not in the file; they are Llama 3's.
/// </summary>
internal static class TiktokenFile
{
    private const string Split =
        """(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""";

    private static readonly Dictionary<int, string> Named = new()
    {
        [0] = "<|begin_of_text|>",
        [1] = "<|end_of_text|>",
        [4] = "<|finetune_right_pad_id|>",
        [6] = "<|start_header_id|>",
        [7] = "<|end_header_id|>",
        [8] = "<|eom_id|>",
        [9] = "<|eot_id|>",
        [10] = "<|python_tag|>",
    };

    /// <summary>Whether the first line is a base64 text and a number.</summary>
    public static bool Recognises(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf((byte)'\n');
        var line = end < 0 ? bytes : bytes[..end];
        var space = line.IndexOf((byte)' ');
        return space > 0 && Base64.IsValid(line[..space]) && Utf8Parser.TryParse(line[(space + 1)..], out int _, out _);
    }

    public static ITextTokenizer Load(string path, byte[] bytes)
    {
        var tokens = ReadTokens(path, bytes);
        var vocab = new JsonObject();
        var ranks = new Dictionary<string, int>(tokens.Count, StringComparer.Ordinal);
        for (var rank = 0; rank < tokens.Count; rank++)
        {
            if (!ranks.TryAdd(tokens[rank], rank)) throw new PeftException($"{path}, line {rank + 1}: the token occurs twice");
            vocab[tokens[rank]] = rank;
        }

        var preTokenizer = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(
                new JsonObject
                {
                    ["type"] = "Split",
                    ["pattern"] = new JsonObject { ["Regex"] = Split },
                    ["behavior"] = "Isolated",
                    ["invert"] = false,
                },
                BpeModel.ByteLevelNode(addPrefixSpace: false, useRegex: false)
            ),
        };
        var model = new BpeModel
        {
            Vocab = vocab,
            Merges = BpeModel.MergesOf(tokens, ranks),
            PreTokenizer = preTokenizer,
            IgnoreMerges = true,
        };
        // Special tokens stay outside the library, so that their text in ordinary text can be left alone, as tiktoken does.
        var config = TokenizerConfig.Empty;
        var json = TokenizerJson.Parse(path, model.ToTokenizerJson(), config);
        var special = SpecialTokens(tokens.Count);
        return new SplittingTokenizer(
            HuggingFaceTokenizer.Load(path, json, config),
            special,
            special["<|begin_of_text|>"],
            special["<|end_of_text|>"],
            addBos: true,
            addEos: false
        );
    }

    private static List<string> ReadTokens(string path, byte[] bytes)
    {
        var tokens = new List<string>();
        var number = 0;
        foreach (var line in Encoding.ASCII.GetString(bytes).Split('\n'))
        {
            number++;
            if (line.TrimEnd('\r').Length == 0) continue;
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            var token = new byte[Math.Max(space, 0)];
            if (space <= 0 || !Convert.TryFromBase64String(line[..space], token, out var length) || length == 0
                || !int.TryParse(line[(space + 1)..], out var rank) || rank != tokens.Count)
                throw new PeftException($"{path}, line {number}: expected a base64 text and the rank {tokens.Count}");
            tokens.Add(ByteLevel.Print(token.AsSpan(0, length)));
        }

        return tokens;
    }

    private static Dictionary<string, int> SpecialTokens(int first)
    {
        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        var reserved = 0;
        for (var i = 0; i < 256; i++)
            special[Named.TryGetValue(i, out var name) ? name : $"<|reserved_special_token_{reserved++}|>"] = first + i;
        return special;
    }
}
