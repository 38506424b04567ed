using System.Text;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Tests.Tokenizers;

/// <summary>Small tokenizers made here, so that a bare clone tests every file format too.</summary>
public sealed class TokenizerLoaderTests
{
    [Fact]
    public void TiktokenLinesBecomeATokenizerWithLlama3sSpecialTokens()
    {
        using var folder = new TemporaryFolder();
        var tokens = Enumerable
            .Range(0, 256)
            .Select(static value => new[] { (byte)value })
            .Append("ab"u8.ToArray())
            .Append("abc"u8.ToArray());
        folder.WriteLines("tokenizer.model", tokens.Select(static (token, rank) => $"{Convert.ToBase64String(token)} {rank}"));
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal([257, 'b', 256], tokenizer.Encode("abcbab", addSpecialTokens: false));
        Assert.Equal([258, 257], tokenizer.Encode("abc", addSpecialTokens: true));
        Assert.Equal(258 + 256, tokenizer.VocabularySize);
        Assert.Equal(258 + 9, tokenizer.SpecialId("<|eot_id|>"));
        Assert.Equal(['x', 258 + 9, 256], tokenizer.EncodeWithSpecials("x<|eot_id|>ab"));
        Assert.Equal(11, tokenizer.Encode("x<|eot_id|>", addSpecialTokens: false).Length);
        Assert.Equal("x<|eot_id|>ab", tokenizer.Decode(['x', 267, 256], skipSpecialTokens: false));
        Assert.Equal("xab", tokenizer.Decode(['x', 267, 256], skipSpecialTokens: true));
        // Half of a character decodes to the replacement character.
        Assert.Equal("\uFFFD", tokenizer.Decode([0xC3], skipSpecialTokens: true));
        Assert.Equal("é", tokenizer.Decode(tokenizer.Encode("é", addSpecialTokens: false), skipSpecialTokens: true));
    }

    [Fact]
    public void SentencePieceMergesTheBestScoreLeftmostFirst()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(
            folder.File("tokenizer.model"),
            SentencePiece(
                modelType: 2,
                ("<unk>", 0, 2),
                ("<s>", 0, 3),
                ("</s>", 0, 3),
                ("▁a", -1, 1),
                ("aa", -2, 1),
                ("▁", -9, 1),
                ("a", -9, 1),
                ("b", -9, 1)
            )
        );
        var tokenizer = TokenizerLoader.Load(folder.Path);
        // "▁aaaa": ▁a first, then the leftmost of two equal pairs.
        Assert.Equal([3, 4, 6], tokenizer.Encode("aaaa", addSpecialTokens: false));
        Assert.Equal([1, 3, 5, 7], tokenizer.Encode("a b", addSpecialTokens: true));
        Assert.Equal("a b", tokenizer.Decode([1, 3, 5, 7, 2], skipSpecialTokens: true));
        Assert.Equal([3, 2], tokenizer.EncodeWithSpecials("a</s>"));
        Assert.Equal((8, 1, 2), (tokenizer.VocabularySize, tokenizer.BosId, tokenizer.EosId));
    }

    [Fact]
    public void AUnigramModelIsRefusedByName()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("tokenizer.model"), SentencePiece(modelType: 1, ("<unk>", 0, 2), ("a", 0, 1)));
        AssertRefused(folder.Path, folder.File("tokenizer.model"), "BPE");
    }

    [Fact]
    public void Gpt2FilesBecomeAByteLevelTokenizer()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.json", """{"a":0,"b":1,"ab":2,"Ġ":3,"Ġab":4,"<|endoftext|>":5}""");
        folder.Write("merges.txt", "#version: 0.2\na b\nĠ ab\n");
        folder.Write("tokenizer_config.json", """{"eos_token":"<|endoftext|>"}""");
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal([2, 4, 5], tokenizer.Encode("ab ab<|endoftext|>", addSpecialTokens: true));
        Assert.Equal(5, tokenizer.EosId);
        folder.Write("merges.txt", "a b c\n");
        AssertRefused(folder.Path, folder.File("merges.txt"), "line 1");
    }

    [Theory]
    [InlineData(true, false, "<s>a")]
    [InlineData(true, true, "<s>a</s>")]
    [InlineData(false, true, "a</s>")]
    [InlineData(false, false, "a")]
    public void TheConfigurationSaysWhichTokensAreAdded(bool bos, bool eos, string expected)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        folder.Write(
            "tokenizer_config.json",
            $$"""{"bos_token":{"content":"<s>"},"eos_token":"</s>","add_bos_token":{{(bos ? "true" : "false")}},"add_eos_token":{{(eos ? "true" : "false")}}}"""
        );
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode("a", addSpecialTokens: true), skipSpecialTokens: false));
        Assert.Equal("a", tokenizer.Decode(tokenizer.Encode("a", addSpecialTokens: false), skipSpecialTokens: false));
    }

    [Fact]
    public void WithoutAConfigurationThePostProcessorDecides()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        File.Delete(folder.File("tokenizer_config.json"));
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal(1, tokenizer.Encode("a", addSpecialTokens: true)[0]);
        Assert.Null(tokenizer.EosId);
    }

    [Fact]
    public void SpecialTokensAreRecognisedInTextAndLeftOutOnDemand()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var tokenizer = TokenizerLoader.Load(folder.Path);
        var ids = tokenizer.Encode("a</s>", addSpecialTokens: false);
        Assert.Equal(2, ids[^1]);
        Assert.Equal("a", tokenizer.Decode(ids, skipSpecialTokens: true));
        Assert.Equal("a</s>", tokenizer.Decode([.. ids, 100_000], skipSpecialTokens: false));
    }

    [Theory]
    [InlineData("truncation", """{"max_length":8,"strategy":"LongestFirst","stride":0,"direction":"Right"}""")]
    [InlineData("truncation", """{"max_length":4,"strategy":"OnlyFirst","stride":2,"direction":"Left"}""")]
    [InlineData(
        "padding",
        """{"strategy":{"Fixed":64},"direction":"Left","pad_to_multiple_of":null,"pad_id":2,"pad_type_id":0,"pad_token":"</s>"}"""
    )]
    [InlineData(
        "padding",
        """{"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":16,"pad_id":0,"pad_type_id":0,"pad_token":"<unk>"}"""
    )]
    public void StateThatAnotherProgramLeftIsReset(string key, string state)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        const string Text = "Ann has 3 pears and finds 4 more.";
        var expected = TokenizerLoader.Load(folder.Path).Encode(Text, addSpecialTokens: true);
        var json = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!;
        json[key] = JsonNode.Parse(state);
        folder.Write("tokenizer.json", json.ToJsonString());
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal(expected, tokenizer.Encode(Text, addSpecialTokens: true));
        // What is not state stays: the post-processor's BOS.
        Assert.Equal(1, tokenizer.Encode("a", addSpecialTokens: true)[0]);
        Assert.Equal(2, tokenizer.Encode("a", addSpecialTokens: true).Length);
    }

    [Fact]
    public void TheModelsLongestInputIsNoTruncation()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var config = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer_config.json")))!;
        config["model_max_length"] = 4;
        config["truncation_side"] = "left";
        config["padding_side"] = "left";
        folder.Write("tokenizer_config.json", config.ToJsonString());
        Assert.Equal(9, TokenizerLoader.Load(folder.Path).Encode("12345678", addSpecialTokens: true).Length);
    }

    [Theory]
    [InlineData("0.1", "model.dropout is 0.1")]
    [InlineData("\"0.1\"", "model.dropout is no number")]
    [InlineData("0", null)]
    [InlineData("0.0", null)]
    [InlineData("null", null)]
    public void MergesAtRandomAreRefused(string dropout, string? reason)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var json = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!;
        json["model"]!["dropout"] = JsonNode.Parse(dropout);
        folder.Write("tokenizer.json", json.ToJsonString());
        if (reason is null) Assert.Equal(2, TokenizerLoader.Load(folder.Path).Encode("a", addSpecialTokens: true).Length);
        else AssertRefused(folder.Path, folder.File("tokenizer.json"), reason);
    }

    [Fact]
    public void ManyThreadsGetTheSameIds()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var tokenizer = TokenizerLoader.Load(folder.Path);
        var texts = Enumerable.Range(0, 500).Select(static i => $"{i} + {i} = {i + i}.").ToArray();
        var alone = texts.Select(text => tokenizer.Encode(text, addSpecialTokens: true)).ToArray();
        Parallel.For(0, texts.Length, i => Assert.Equal(alone[i], tokenizer.Encode(texts[i], addSpecialTokens: true)));
    }

    [Theory]
    [InlineData("{", "")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{}", "model.vocab")]
    [InlineData("""{"model":{"type":"Unigram","vocab":[["a",0]]}}""", "BPE")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","x"]]}}""", "not a valid tokenizer")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"post_processor":{"type":"BertProcessing"}}""", "BertProcessing")]
    public void AMalformedTokenizerNamesItsFile(string json, string reason)
    {
        using var folder = new TemporaryFolder();
        AssertRefused(folder.Path, folder.Path, "no tokenizer");
        AssertRefused(folder.Path, folder.Write("tokenizer.json", json), reason);
    }

    /// <summary>transformers would take the configuration's word.</summary>
    [Theory]
    [InlineData("\"split_special_tokens\": true", "tokenizer_config.json", "split_special_tokens is true")]
    [InlineData("\"add_prefix_space\": true", "tokenizer.json", "pre_tokenizer.add_prefix_space is false, but add_prefix_space of")]
    [InlineData("\"added_tokens_decoder\": {\"900\": {\"content\": \"<new>\"}}", "tokenizer.json", "has the token '<new>', which is not")]
    [InlineData("\"split_special_tokens\": false", null, "")]
    [InlineData("\"add_prefix_space\": false", null, "")]
    [InlineData("\"added_tokens_decoder\": {\"1\": {\"content\": \"<s>\"}, \"900\": {\"content\": \"a\"}}", null, "")]
    public void TheConfigurationDoesNotSayOtherwiseWithoutAWord(string key, string? file, string message)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var json = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!;
        json["pre_tokenizer"] = BpeModel.ByteLevelNode(addPrefixSpace: false, useRegex: false);
        folder.Write("tokenizer.json", json.ToJsonString());
        folder.Write("tokenizer_config.json", "{" + key + "}");
        if (file is null)
        {
            TokenizerLoader.Load(folder.Path);
            return;
        }

        var error = Assert.Throws<PeftException>(() => TokenizerLoader.Load(folder.Path)).Message;
        Assert.StartsWith(folder.File(file), error, StringComparison.Ordinal);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesOfTwoTokenizersAreNoticed()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        folder.Write("tokenizer_config.json", """{"eos_token":"<|im_end|>"}""");
        AssertRefused(folder.Path, folder.File("tokenizer.json"), "<|im_end|>");
    }

    [Fact]
    public void AFileThatIsNoTokenizerModelIsRefused()
    {
        using var folder = new TemporaryFolder();
        AssertRefused(folder.Path, folder.Write("tokenizer.model", "garbage garbage"), "tiktoken");
        AssertRefused(folder.Path, folder.Write("tokenizer.model", "YQ== 0\nYg== 2\n"), "line 2");
    }

    [Fact]
    public void ExistenceIsToldWithoutLoading()
    {
        using var folder = new TemporaryFolder();
        Assert.False(TokenizerLoader.Exists(folder.Path));
        ArithmeticProblems.WriteTokenizer(folder.Path);
        Assert.True(TokenizerLoader.Exists(folder.Path));
        Assert.Equal("BPE", (string?)JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!["model"]!["type"]);
    }

    private static void AssertRefused(string folder, string file, string reason)
    {
        var error = Assert.Throws<PeftException>(() => TokenizerLoader.Load(folder));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    // ModelProto with pieces (text, score, type), trainer's model type, and a normalizer that keeps spaces.
    internal static byte[] SentencePiece(byte modelType, params (string Text, float Score, byte Type)[] pieces)
    {
        using var model = new MemoryStream();
        foreach (var (text, score, type) in pieces)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            byte[] piece = [0x0A, (byte)bytes.Length, .. bytes, 0x15, .. BitConverter.GetBytes(score), 0x18, type];
            model.Write([0x0A, (byte)piece.Length, .. piece]);
        }

        model.Write([0x12, 2, 0x18, modelType]);
        model.Write([0x1A, 2, 0x20, 0]);
        return model.ToArray();
    }
}
