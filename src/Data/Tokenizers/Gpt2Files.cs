using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>GPT-2's two files, <c>vocab.json</c> and <c>merges.txt</c>, as one <c>tokenizer.json</c>.</summary>
internal static class Gpt2Files
{
    public static byte[] ToTokenizerJson(string vocabPath, string mergesPath, TokenizerConfig config)
    {
        var vocab = new JsonObject();
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var item in JsonText.ReadObject(vocabPath, "").EnumerateObject())
        {
            if (
                item.Value.ValueKind != JsonValueKind.Number
                || !item.Value.TryGetInt32(out var id)
                || id is < 0 or > TokenizerConfig.LargestId
            )
                throw new PeftException($"{vocabPath}: '{item.Name}' has the id {item.Value.GetRawText()}, which is no token id");
            vocab[item.Name] = id;
            ids[item.Name] = id;
        }

        var merges = new JsonArray();
        var number = 0;
        foreach (var line in ReadMerges(mergesPath))
        {
            number++;
            if (line.Length == 0 || number == 1 && line.StartsWith("#version", StringComparison.Ordinal))
                continue;
            if (line.Count(static c => c == ' ') != 1)
                throw new PeftException($"{mergesPath}, line {number}: a merge is two tokens with a space between");
            merges.Add(line);
        }

        var added = new JsonArray();
        foreach (var token in new[] { config.BosToken, config.EosToken, config.UnkToken }.OfType<string>().Distinct(StringComparer.Ordinal))
        {
            if (ids.TryGetValue(token, out var id)) added.Add(BpeModel.AddedToken(token, id, special: true));
        }

        return new BpeModel
        {
            Vocab = vocab,
            Merges = merges,
            Added = added,
            PreTokenizer = BpeModel.ByteLevelNode(config.AddPrefixSpace ?? false, useRegex: true),
        }.ToTokenizerJson();
    }

    private static string[] ReadMerges(string path)
    {
        var bytes = FileContent.WithoutMark(JsonText.ReadAll(path, "")).Span;
        if (!Utf8.IsValid(bytes)) throw new PeftException($"{path}: not valid UTF-8");
        return Encoding.UTF8.GetString(bytes).Split('\n').Select(static line => line.TrimEnd('\r')).ToArray();
    }
}
