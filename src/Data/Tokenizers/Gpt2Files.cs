using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>GPT-2's two files, <c>vocab.json</c> and <c>merges.txt</c>, as one <c>tokenizer.json</c>.</summary>
internal static class Gpt2Files
{
    public static byte[] ToTokenizerJson(string vocabPath, string mergesPath, TokenizerConfig config)
    {
        JsonObject vocab;
        try
        {
            vocab = JsonNode.Parse(File.ReadAllBytes(vocabPath)) as JsonObject ?? throw new PeftException($"{vocabPath}: not a JSON object of token: id");
        }
        catch (JsonException error)
        {
            throw new PeftException($"{vocabPath}: invalid JSON: {error.Message}", error);
        }

        var merges = new JsonArray();
        var number = 0;
        foreach (var line in File.ReadLines(mergesPath))
        {
            number++;
            if (line.Length == 0 || number == 1 && line.StartsWith("#version", StringComparison.Ordinal)) continue;
            if (line.Count(static c => c == ' ') != 1) throw new PeftException($"{mergesPath}, line {number}: a merge is two tokens with a space between");
            merges.Add(line);
        }

        var added = new JsonArray();
        foreach (var token in new[] { config.BosToken, config.EosToken, config.UnkToken }.OfType<string>().Distinct(StringComparer.Ordinal))
        {
            if (vocab[token] is JsonValue id && id.TryGetValue<int>(out var number32)) added.Add(BpeModel.AddedToken(token, number32, special: true));
        }

        return new BpeModel
        {
            Vocab = vocab,
            Merges = merges,
            Added = added,
            PreTokenizer = BpeModel.ByteLevelNode(config.AddPrefixSpace ?? false, useRegex: true),
        }.ToTokenizerJson();
    }
}
