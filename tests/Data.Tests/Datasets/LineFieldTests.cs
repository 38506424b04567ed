using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>
/// Fields of data lines that change what is learned: honoured, or refused by name with file and line; others mean nothing.
/// </summary>
public sealed class LineFieldTests
{
    private const string User = """{"role":"user","content":"a"}""";
    private const string Preamble =
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n";

    [Theory]
    [InlineData("""{"system":"S","conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}""")]
    [InlineData("""{"system":"S","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}""")]
    [InlineData(
        """{"system":"S","messages":[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"""
    )]
    [InlineData(
        """{"messages":[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"tools":[],"id":3,"source":"x"}"""
    )]
    [InlineData(
        """{"messages":[{"role":"system","content":"S"},{"role":"user","content":"a","name":"n"},{"role":"assistant","content":"b","tool_calls":null}],"tools":"[]"}"""
    )]
    public void ASystemColumnIsTheFirstMessage(string line) =>
        AssertSample(
            DataFormat.Messages,
            line,
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n",
            "b<|im_end|>"
        );

    [Fact]
    public void ASystemColumnOfGsm8k() => AssertSample(
        DataFormat.Gsm8k, """{"question":"a","answer":"b","system":"S"}""",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n", "b<|im_end|>");

    [Theory]
    [InlineData("\"weight\":0", "\"weight\":1")]
    [InlineData("\"weight\":0.0", "\"weight\":1.0")]
    [InlineData("\"train\":false", "\"train\":true")]
    [InlineData("\"training\":false", "\"id\":5")]
    [InlineData("\"loss\":false,\"weight\":0", "\"loss\":true")]
    [InlineData("\"loss_scale\":0.0", "\"loss_scale\":1.0")]
    public void ATurnOfWeightZeroIsNotLearned(string first, string second)
    {
        var line =
            $$"""{"messages":[{{User}},{"role":"assistant","content":"bad",{{first}}},{{User}},{"role":"assistant","content":"good",{{second}}}]}""";
        AssertSample(DataFormat.Messages, line, null, "good<|im_end|>");
        using var folder = new TemporaryFolder();
        var (all, tokenizer) = Load(folder, DataFormat.Messages, line, mask: false);
        Assert.DoesNotContain("bad", Learned(tokenizer, all), StringComparison.Ordinal);
        Assert.Contains("user\na<|im_end|>", Learned(tokenizer, all), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"instruction":"i","input":"","output":"o"}""", Preamble + "### Instruction:\ni\n\n### Response:\n", "o</s>")]
    [InlineData("""{"instruction":"i","output":"o","system":"S","history":[]}""", "S\n\n### Instruction:\ni\n\n### Response:\n", "o</s>")]
    [InlineData(
        """{"instruction":"i","input":"x","output":"o","system":"S"}""",
        "S\n\n### Instruction:\ni\n\n### Input:\nx\n\n### Response:\n",
        "o</s>"
    )]
    [InlineData(
        """{"instruction":"i","output":"o","history":null,"text":"all of it"}""",
        Preamble + "### Instruction:\ni\n\n### Response:\n",
        "o</s>"
    )]
    public void AlpacasSystemTakesThePlaceOfItsPreamble(string line, string prompt, string learned) =>
        AssertSample(DataFormat.Alpaca, line, "<s>" + prompt + learned, learned);

    [Fact]
    public void AlpacasHistoryAreEarlierTurns() =>
        AssertSample(
            DataFormat.Alpaca,
            """{"instruction":"i","input":"x","output":"o","system":"S","history":[["a","b"],["c","d"]]}""",
            "<s>S\n\n### Instruction:\na\n\n### Response:\nb</s>\n\n### Instruction:\nc\n\n### Response:\nd</s>\n\n### "
                + "Instruction:\ni\n\n### Input:\nx\n\n### Response:\no</s>",
            "b</s>d</s>o</s>"
        );

    [Fact]
    public void WhatTokensSayTwiceIsTheSame() =>
        AssertSample(
            DataFormat.Tokens,
            """{"input_ids":[5,6,7],"labels":[-100,6,7],"attention_mask":[1,1,1],"token_type_ids":[0,0,0],"position_ids":[0,1,2],"loss_mask":[0,1,1],"weight":1,"id":"x"}""",
            null,
            null
        );

    [Theory]
    [InlineData(DataFormat.Messages, "\"tools\":[{\"type\":\"function\"}]", "\"tools\" is not rendered")]
    [InlineData(DataFormat.Messages, "\"tools\":\"[{}]\"", "\"tools\" is not rendered")]
    [InlineData(DataFormat.Messages, "\"functions\":[{\"name\":\"f\"}]", "\"functions\" is not rendered")]
    [InlineData(DataFormat.Messages, "\"function_call\":\"auto\"", "\"function_call\" is not rendered")]
    [InlineData(DataFormat.Messages, "\"images\":[\"a.png\"]", "\"images\" is no text")]
    [InlineData(DataFormat.Messages, "\"system_prompt\":\"s\"", "name it \"system\"")]
    [InlineData(DataFormat.Messages, "\"system\":5", "\"system\" is not a text")]
    [InlineData(DataFormat.Messages, "\"weight\":0.5", "\"weight\" is 0.5; every sample weighs 1")]
    [InlineData(DataFormat.Messages, "\"weight\":0", "\"weight\" is 0; every sample weighs 1")]
    [InlineData(DataFormat.Messages, "\"chat_template_kwargs\":{\"a\":1}", "\"a\", which the chat template does not read")]
    [InlineData(DataFormat.Alpaca, "\"chat_template_kwargs\":{\"a\":1}", "this format has none")]
    [InlineData(DataFormat.Tokens, "\"chat_template_kwargs\":{\"a\":1}", "this format has none")]
    [InlineData(DataFormat.Messages, "\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]", "two conversations")]
    [InlineData(DataFormat.Gsm8k, "\"tools\":[1]", "\"tools\" is not rendered")]
    [InlineData(DataFormat.Alpaca, "\"context\":\"c\"", "Alpaca's name for it is \"input\"")]
    [InlineData(DataFormat.Alpaca, "\"history\":[[\"a\"]]", "\"history\"[0] is no pair of texts")]
    [InlineData(DataFormat.Alpaca, "\"history\":\"a\"", "\"history\" is not a list")]
    [InlineData(DataFormat.Alpaca, "\"sample_weight\":2", "\"sample_weight\" is 2")]
    [InlineData(DataFormat.Completion, "\"system\":\"s\"", "\"system\" is not rendered")]
    [InlineData(DataFormat.Completion, "\"suffix\":\"s\"", "\"suffix\" is not rendered")]
    [InlineData(DataFormat.Completion, "\"history\":[[\"a\",\"b\"]]", "\"history\" has earlier turns")]
    [InlineData(DataFormat.Completion, "\"messages\":[{}]", "\"messages\" is a conversation")]
    [InlineData(DataFormat.Completion, "\"weight\":\"high\"", "\"weight\" is \"high\"")]
    [InlineData(DataFormat.Text, "\"system\":\"s\"", "\"system\" is not rendered")]
    [InlineData(DataFormat.Text, "\"loss_mask\":[1]", "use format tokens")]
    [InlineData(DataFormat.Tokens, "\"attention_mask\":[1,0]", "\"attention_mask\"[1] is 0: it marks padding")]
    [InlineData(DataFormat.Tokens, "\"attention_mask\":[1]", "\"attention_mask\" has 1")]
    [InlineData(DataFormat.Tokens, "\"attention_mask\":[[1,1]]", "\"attention_mask\" has 1")]
    [InlineData(DataFormat.Tokens, "\"position_ids\":[0,0]", "\"position_ids\"[1] is 0")]
    [InlineData(DataFormat.Tokens, "\"loss_mask\":[0,0]", "\"loss_mask\"[1] is 0: it masks a token that its label learns")]
    [InlineData(DataFormat.Tokens, "\"token_type_ids\":[0,1]", "\"token_type_ids\"[1] is 1")]
    [InlineData(DataFormat.Tokens, "\"token_type_ids\":[0,null]", "no whole number")]
    [InlineData(DataFormat.Tokens, "\"weights\":[1,2]", "\"weights\" weighs tokens")]
    [InlineData(DataFormat.Tokens, "\"seq_lens\":[1,1]", "packing is data.packing")]
    [InlineData(DataFormat.Tokens, "\"seq_lengths\":[1,1]", "packing is data.packing")]
    [InlineData(DataFormat.Messages, "\"rejected\":[{\"role\":\"assistant\"}]", "\"rejected\" is a side of a preference")]
    [InlineData(DataFormat.Messages, "\"rejected_response\":\"b\"", "\"rejected_response\" is a side of a preference")]
    [InlineData(DataFormat.Messages, "\"label\":false", "\"label\" is false: the reply is not wanted")]
    [InlineData(DataFormat.Completion, "\"label\":false", "\"label\" is false: the reply is not wanted")]
    [InlineData(DataFormat.Completion, "\"chosen\":\"c\"", "\"chosen\" is a side of a preference")]
    public void AFieldThatIsNotReadIsRefusedByName(DataFormat format, string field, string reason)
    {
        var line = format switch
        {
            DataFormat.Messages => $$"""{"messages":[{{User}},{"role":"assistant","content":"b"}],""",
            DataFormat.Gsm8k => """{"question":"a","answer":"b",""",
            DataFormat.Alpaca => """{"instruction":"a","output":"b",""",
            DataFormat.Completion => """{"prompt":"a","completion":"b",""",
            DataFormat.Text => """{"text":"a",""",
            _ => """{"input_ids":[5,6],"labels":[-100,6],""",
        };
        AssertRefused(format, line + field + "}", reason);
    }

    [Theory]
    [InlineData("""{"role":"assistant","content":"","tool_calls":[{"id":"1"}]}""", "turn 2: the field \"tool_calls\" is not rendered")]
    [InlineData("""{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}""", "turn 2: the field \"tool_calls\" is not rendered")]
    [InlineData(
        """{"role":"assistant","content":null,"function_call":{"name":"f"}}""",
        "turn 2: the field \"function_call\" is not rendered"
    )]
    [InlineData(
        """{"role":"assistant","content":"b","reasoning_content":"r"}""",
        "turn 2: the field \"reasoning_content\" is not rendered"
    )]
    [InlineData("""{"role":"assistant","content":null}""", "the field \"content\" is null")]
    [InlineData("""{"role":"assistant","content":"b","weight":0.5}""", "turn 2: \"weight\" is 0.5; a turn is learned whole (1) or not (0)")]
    [InlineData("""{"role":"assistant","content":"b","weight":"0"}""", "turn 2: \"weight\" is \"0\"")]
    [InlineData("""{"role":"assistant","content":"b","weight":1,"train":false}""", "turn 2: \"train\" says otherwise")]
    [InlineData("""{"role":"assistant","content":"b","train_detail":[{}]}""", "turn 2: the field \"train_detail\" learns parts")]
    [InlineData("""{"role":"assistant","content":"b","loss_scale":0.5}""", "turn 2: \"loss_scale\" is 0.5; a turn is learned whole")]
    [InlineData("""{"role":"assistant","content":"b","mask":true}""", "turn 2: the field \"mask\" says nothing known")]
    [InlineData("""{"role":"user","content":"b","weight":1}""", "turn 2 (user) is marked to be learned")]
    [InlineData("""{"role":"function","content":"b"}""", "unknown role \"function\"")]
    public void AMessagesFieldThatIsNotReadIsRefusedByName(string turn, string reason) =>
        AssertRefused(DataFormat.Messages, $$"""{"messages":[{{User}},{{turn}},{"role":"assistant","content":"c"}]}""", reason);

    [Fact]
    public void TwoSystemPromptsAreRefused() =>
        AssertRefused(
            DataFormat.Messages,
            $$"""{"system":"S","messages":[{"role":"system","content":"T"},{{User}},{"role":"assistant","content":"c"}]}""",
            "two different system prompts"
        );

    private static void AssertRefused(DataFormat format, string line, string reason)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => Load(folder, format, line, mask: true));
        Assert.StartsWith($"{folder.File("train.jsonl")}, line 1: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private static void AssertSample(DataFormat format, string line, string? text, string? learned)
    {
        using var folder = new TemporaryFolder();
        var (batch, tokenizer) = Load(folder, format, line, mask: true);
        if (text is not null) Assert.Equal(text, tokenizer.Decode(batch.InputIds, skipSpecialTokens: false));
        if (learned is not null) Assert.Equal(learned, Learned(tokenizer, batch));
    }

    private static string Learned(ITextTokenizer tokenizer, Microbatch batch) =>
        tokenizer.Decode(batch.Labels.Where(static label => label != Microbatch.Masked).ToArray(), skipSpecialTokens: false);

    private static (Microbatch Batch, ITextTokenizer Tokenizer) Load(TemporaryFolder folder, DataFormat format, string line, bool mask)
    {
        var tokenizer = SmallChatTokenizer.Write(folder);
        folder.WriteLines("train.jsonl", line);
        var spec = new RunSpec
        {
            Name = "t",
            Model = new ModelSpec { Path = folder.Path },
            Data = new DataSpec
            {
                Train = new DataSource { Path = folder.File("train.jsonl"), Format = format },
                ChatTemplate = ChatTemplateNames.ChatMl,
                MaxLength = 10_000,
                MaskPrompt = mask,
            },
            Training = new TrainingSpec { Steps = 1, GlobalBatch = 1 },
        };
        return (TrainingData.Load(spec, null, tokenizer, 200).Get(1, 0), tokenizer);
    }
}

/// <summary>The tokenizer of characters with the tokens of ChatML.</summary>
internal static class SmallChatTokenizer
{
    internal static ITextTokenizer Write(TemporaryFolder folder)
    {
        var vocabulary = ArithmeticProblems.WriteTokenizer(folder.Path);
        var json = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!;
        foreach (var (token, id) in new[] { ("<|im_start|>", vocabulary), ("<|im_end|>", vocabulary + 1) })
            json["added_tokens"]!.AsArray().Add(BpeModel.AddedToken(token, id, special: true));
        folder.Write("tokenizer.json", json.ToJsonString());
        return TokenizerLoader.Load(folder.Path);
    }
}
