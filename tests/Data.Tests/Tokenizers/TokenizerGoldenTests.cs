using System.Text.Json;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Tokenizers;

/// <summary>Every vector of the reference libraries, exactly.</summary>
public sealed class TokenizerGoldenTests
{
    [Theory]
    [InlineData("models/SmolLM2-135M-Instruct", "smollm2", "ids", "decoded")]
    [InlineData("tokenizers/bloom-style", "bloom-style", "ids", "decoded")]
    [InlineData("tokenizers/llama3-hf", "llama3", "ids_with_special_tokens_parsed", null)]
    public void ByteLevelBpe(string folder, string vectors, string ids, string? decoded)
    {
        var tokenizer = TokenizerLoader.Load(SharedFolder.Require(folder));
        foreach (var vector in Vectors(vectors))
        {
            var text = vector.GetProperty("text").GetString()!;
            var expected = Ids(vector, ids);
            Assert.Equal(expected, tokenizer.Encode(text, addSpecialTokens: false));
            Assert.Equal(
                decoded is null ? text : vector.GetProperty(decoded).GetString(),
                tokenizer.Decode(expected, skipSpecialTokens: false)
            );
        }
    }

    [Fact]
    public void Gpt2FromVocabularyAndMerges()
    {
        using var folder = new TemporaryFolder();
        File.Copy(SharedFolder.Require("tokenizers/gpt-2/gpt2_vocab.json"), folder.File("vocab.json"));
        File.Copy(SharedFolder.Require("tokenizers/gpt-2/gpt2_merges.txt"), folder.File("merges.txt"));
        var tokenizer = TokenizerLoader.Load(folder.Path);
        foreach (var vector in Vectors("gpt2"))
        {
            var text = vector.GetProperty("text").GetString()!;
            Assert.Equal(Ids(vector, "ids"), tokenizer.Encode(text, addSpecialTokens: true));
            Assert.Equal(text, tokenizer.Decode(Ids(vector, "ids"), skipSpecialTokens: false));
        }
    }

    [Fact]
    public void Llama3FromTiktokenFile()
    {
        var tokenizer = TokenizerLoader.Load(SharedFolder.Require("tokenizers/llama-bpe"));
        Assert.Equal((128256, 128000, 128001), (tokenizer.VocabularySize, tokenizer.BosId, tokenizer.EosId));
        foreach (var vector in Vectors("llama3"))
        {
            var text = vector.GetProperty("text").GetString()!;
            Assert.Equal(Ids(vector, "ids"), tokenizer.Encode(text, addSpecialTokens: false));
            Assert.Equal(Ids(vector, "ids_with_special_tokens_parsed"), tokenizer.EncodeWithSpecials(text));
            Assert.Equal(text, tokenizer.Decode(Ids(vector, "ids"), skipSpecialTokens: false));
            Assert.Equal(text, tokenizer.Decode(Ids(vector, "ids_with_special_tokens_parsed"), skipSpecialTokens: false));
        }
    }

    [Fact]
    public void SentencePieceStyleTokenizerJson()
    {
        var tokenizer = TokenizerLoader.Load(SharedFolder.Require("models/stories260K"));
        Assert.Equal((512, 1, 2), (tokenizer.VocabularySize, tokenizer.BosId, tokenizer.EosId));
        foreach (var vector in Vectors("stories260K"))
            Assert.Equal(
                Ids(vector, "ids_tokenizer_json"),
                tokenizer.Encode(vector.GetProperty("text").GetString()!, addSpecialTokens: true)
            );
    }

    [Theory]
    [InlineData("models/stories260K/tokenizer.model", "stories260K", "ids_sentencepiece", "decoded_sentencepiece")]
    [InlineData("tokenizers/llama2/tokenizer.model", "llama2-sentencepiece", "ids", "decoded")]
    public void SentencePieceModel(string file, string vectors, string ids, string decoded)
    {
        using var folder = new TemporaryFolder();
        File.Copy(SharedFolder.Require(file), folder.File("tokenizer.model"));
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal((1, 2), (tokenizer.BosId, tokenizer.EosId));
        foreach (var vector in Vectors(vectors))
        {
            var text = vector.GetProperty("text").GetString()!;
            Assert.Equal(Ids(vector, ids), tokenizer.Encode(text, addSpecialTokens: false));
            Assert.Equal(vector.GetProperty(decoded).GetString(), tokenizer.Decode(Ids(vector, ids), skipSpecialTokens: false));
        }
    }

    private static IEnumerable<JsonElement> Vectors(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require($"goldens/tokenizers/{name}.json")));
        var vectors = document.RootElement.Clone().EnumerateArray().ToArray();
        Assert.True(vectors.Length > 90);
        return vectors;
    }

    private static int[] Ids(JsonElement vector, string key) =>
        [.. vector.GetProperty(key).EnumerateArray().Select(static id => id.GetInt32())];
}
