using System.Text;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Datasets.Formats;
using Peft.Orleans.Data.Datasets.Indexes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Datasets.Indexes;

/// <summary>Data too large to be tokenised before the first step.</summary>
public sealed class LargeDataTests
{
    [Fact]
    public void WhatShowsWithoutTokensIsToldAtOnceAndTheRestWhenItComes()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = SmallChatTokenizer.Write(folder);
        var lines = (int)(DataPass.WholeBytes >> 20) + 2;
        Write(folder.File("train.jsonl"), lines, broken: "{\"txt\":\"a\"}");
        var error = Assert.Throws<PeftException>(() => TrainingData.Load(Spec(folder), null, tokenizer, 1000)).Message;
        Assert.Equal($"{folder.File("train.jsonl")}, line {lines}: the field \"text\" is missing", error);

        // Too long for data.max_length is a matter of tokens.
        Write(folder.File("train.jsonl"), lines, broken: $"{{\"text\":\"{new string('a', 50)}\"}}");
        using var data = TrainingData.Load(Spec(folder), null, tokenizer, 1000);
        Assert.Equal(lines, data.Samples);
        Assert.Equal(4, data.Sample(lines - 2).Columns);
        Assert.StartsWith(
            $"{folder.File("train.jsonl")}, line {lines}: the sample has 52 tokens, more than data.max_length 9",
            Assert.Throws<PeftException>(() => data.Sample(lines - 1)).Message,
            StringComparison.Ordinal);

        // Which samples there are depends on their lengths: all are tokenised.
        var dropping = Spec(folder);
        dropping = dropping with { Data = dropping.Data with { OnLong = LongSamplePolicy.Drop } };
        using var kept = TrainingData.Load(dropping, null, tokenizer, 1000);
        Assert.Equal((lines - 1, 1), (kept.Samples, kept.Dropped));
    }

    /// <summary>A check says nothing else than reading does, and says it of all that has to do with fields.</summary>
    [Theory]
    [InlineData(
        DataFormat.Messages,
        """{"messages":[{"role":"system","content":"a"},{"role":"assistant","content":"b","weight":1}],"tools":[],"id":1}"""
    )]
    [InlineData(DataFormat.Messages, """{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}],"system":"s"}""")]
    [InlineData(DataFormat.Alpaca, """{"instruction":"a","input":"b","output":"c","system":"s","history":[["a","b"]]}""")]
    [InlineData(DataFormat.Completion, """{"prompt":"a","completion":"b","loss_mask":null}""")]
    [InlineData(DataFormat.Text, """{"text":"a","context":"b"}""")]
    [InlineData(DataFormat.Gsm8k, """{"question":"a","answer":"b"}""")]
    [InlineData(DataFormat.Tokens, """{"input_ids":[1,2],"labels":[-100,2],"attention_mask":[1,1]}""")]
    public void ACheckRefusesWhatReadingRefuses(DataFormat format, string line)
    {
        using var model = new TemporaryFolder();
        var tokenizer = SmallChatTokenizer.Write(model);
        var spec = Spec(model) with { Model = new ModelSpec { Path = model.Path } };
        spec = spec with { Data = spec.Data with { MaxLength = 100_000, ChatTemplate = ChatTemplateNames.ChatMl } };
        var reader = new RecordReader(SampleFormat.Create(format, null, spec, tokenizer), spec.Data, 200);
        Damage.OfJson(Encoding.UTF8.GetBytes(line)).Sample(
            bytes => Assert.Equal(Refusal(() => reader.Read(bytes, 1)), Refusal(() => reader.Check(bytes))),
            iter: 400,
            threads: 1,
            print: Encoding.UTF8.GetString);
    }

    // What only tokens tell counts as none.
    private static string? Refusal(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (FormatException error)
        {
            return error.Message.StartsWith("token id", StringComparison.Ordinal)
                || error.Message.StartsWith("label ", StringComparison.Ordinal)
                ? null
                : error.Message;
        }
    }

    private static void Write(string path, int lines, string broken)
    {
        using var file = new StreamWriter(path);
        // Long lines of few tokens: what lies beside a text is not read.
        var beside = new string('x', 1 << 20);
        for (var i = 1; i < lines; i++) file.Write($"{{\"text\":\"ab\",\"beside\":\"{beside}\"}}\n");
        file.Write(broken);
    }

    private static RunSpec Spec(TemporaryFolder folder) => new()
    {
        Data = new DataSpec
        {
            Train = new DataSource { Path = folder.File("train.jsonl"), Format = DataFormat.Text },
            MaxLength = 9,
            Shuffle = false,
        },
        Training = new TrainingSpec { Epochs = 1, GlobalBatch = 1, Microbatch = 1 },
    };
}
