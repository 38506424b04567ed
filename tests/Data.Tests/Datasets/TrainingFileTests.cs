using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using static Peft.Orleans.Data.Tests.Datasets.TokenRun;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>What a file of samples may be, and what is said where it is something else.</summary>
public sealed class TrainingFileTests
{
    [Fact]
    public void AMarkOfUtf8AndWindowsLineEndsAreRead()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("train.jsonl");
        File.WriteAllText(
            path,
            Line(1, 2) + "\r\n\r\n" + Line(3, 4) + "\r\n",
            new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: true)
        );
        Assert.Equal(2, Load(Spec(1, null, 1, 1, false, path)).Samples);
    }

    [Fact]
    public void ALineLongerThanTheReadBufferAndALastLineWithoutBreakAreRead()
    {
        using var folder = new TemporaryFolder();
        var ids = Enumerable.Repeat(7, 900_000).ToArray();
        var path = folder.Write("t", "\uFEFF" + Line(1, 2) + "\r\n" + Line(ids) + "\n" + Line(3, 4));
        var spec = Spec(1, null, 3, 3, false, path);
        var data = Load(spec with { Data = spec.Data with { MaxLength = 1_000_000 } });
        Assert.Equal([[2], [900_000], [2]], data.Get(1, 0).SampleLengths);
    }

    [Theory]
    [InlineData("""{"input_ids":[1],"labels":[1]}|{"input_ids":[1]|""", "line 2", "invalid JSON")]
    [InlineData("""|{"input_ids":[1],"labels":[1,2]}""", "line 2", "1 entries")]
    [InlineData("""{"input_ids":[100],"labels":[-100]}""", "line 1", "vocab_size 100")]
    [InlineData("""{"input_ids":[1],"labels":[100]}""", "line 1", "vocab_size 100")]
    [InlineData("""{"input_ids":[-1],"labels":[1]}""", "line 1", "[0] is -1")]
    [InlineData("""{"input_ids":[1],"labels":[-1]}""", "line 1", "−100")]
    [InlineData("""{"input_ids":[1.5],"labels":[1]}""", "line 1", "no token id")]
    [InlineData("""{"input_ids":[],"labels":[]}""", "line 1", "empty")]
    [InlineData("""{"ids":[1]}""", "line 1", "\"input_ids\" is missing")]
    [InlineData("5", "line 1", "not a JSON object")]
    [InlineData("""{"input_ids":[1,2,3,4,5,6,7,8,9],"labels":[1,2,3,4,5,6,7,8,9]}""", "line 1", "data.max_length 8")]
    [InlineData(" | ", "", "empty")]
    [InlineData("""{"input_ids":[1,2],"labels":[-100,-100]}""", "", "no token of the data set is learned")]
    [InlineData("""{"input_ids":[1,2],"labels":[1,2]}|{"input_ids":[1,2],"labels":[1,-100]}""", "lines 2", "step 2")]
    public void WhatIsWrongIsNamedWithFileAndLine(string lines, string line, string reason)
    {
        using var folder = new TemporaryFolder();
        var path = folder.WriteLines("train.jsonl", lines.Split('|'));
        var spec = Spec(steps: 4, globalBatch: 1, microbatch: 1, shuffle: false, path: path);
        var error = Assert.Throws<PeftException>(() =>
            Load(spec with { Data = spec.Data with { MaxLength = 8 } })
        );
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(line, error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<byte[], string> OtherKinds =>
        new()
        {
            { "[\n  {\"input_ids\": [1]}\n]"u8.ToArray(), "element 1: the field \"labels\" is missing" },
            { [0x1F, 0x8B, 8, 0], "damaged after line 0" },
            { [0x28, 0xB5, 0x2F, 0xFD, 0], "damaged after line 0" },
            { "PAR1 and more"u8.ToArray(), "no Parquet file that can be read" },
            { [0xFF, 0xFE, (byte)'{', 0], "UTF-16; write it as UTF-8: iconv" },
            { [(byte)'{', 0, (byte)'"', 0], "UTF-16 without its mark" },
            { "version https://git-lfs.github.com/spec/v1\n"u8.ToArray(), "git lfs pull" },
            {
                "{\"input_ids\":[1],\"labels\":[1]}\r{\"input_ids\":[1],\"labels\":[1]}\r"u8.ToArray(),
                "line 1: lines end with a carriage return alone"
            },
            {
                "{\n  \"input_ids\": [1],\n  \"labels\": [1]\n}\n"u8.ToArray(),
                "line 1: invalid JSON (byte 2): it ends before its last bracket or quote is closed; a line is one whole object: jq -c ."
            },
            {
                "{\"input_ids\":[1],\"labels\":[1]} {}\n"u8.ToArray(),
                "line 1: invalid JSON (byte 32): something follows its closing bracket"
            },
            { "{\"input_ids\":[1],\"labels\":[1],}\n"u8.ToArray(), "a comma stands before a closing bracket" },
            { [.. "{\"input_ids\":[1],\"labels\":[1],\"a\":\""u8, 0xE9, .. "\"}\n"u8], "line 1: not valid UTF-8" },
            { "\u00EF\u00BB\u00BF"u8.ToArray(), "line 1" },
            { [], "the data set is empty" },
            { " \n\n"u8.ToArray(), "the data set is empty" },
        };

    [Theory]
    [MemberData(nameof(OtherKinds))]
    public void AFileOfAnotherKindIsNamedWithTheRemedy(byte[] content, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("train.jsonl");
        File.WriteAllBytes(path, content);
        var error = Assert.Throws<PeftException>(() => Load(Spec(1, null, 1, 1, false, path)));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("LineNumber", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFolderIsNoDataFile()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => Load(Spec(1, null, 1, 1, false, folder.Path)));
        Assert.Contains($"{folder.Path}: a folder without data files (.jsonl, .json, .parquet", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheFirstBadLineIsReportedHoweverManyThereAre()
    {
        using var folder = new TemporaryFolder();
        var path = folder.WriteLines("t", Enumerable.Range(0, 5000).Select(static i => i >= 3000 ? "{" : Line(1, 2)));
        var error = Assert.Throws<PeftException>(() => Load(Spec(1, null, 1, 1, false, path)));
        Assert.Contains("line 3001:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingFileAndAMissingTokenizerAreNamed()
    {
        using var folder = new TemporaryFolder();
        var spec = Spec(1, null, 1, 1, false, folder.File("no.jsonl"));
        Assert.Contains(
            folder.File("no.jsonl"),
            Assert.Throws<PeftException>(() => Load(spec)).Message,
            StringComparison.Ordinal
        );
        spec = spec with
        {
            Model = new ModelSpec { Path = folder.Path },
            Data = spec.Data with { Train = spec.Data.Train[0] with { Format = DataFormat.Text } },
        };
        Assert.Contains(
            "no tokenizer",
            Assert.Throws<PeftException>(() => Load(spec)).Message,
            StringComparison.Ordinal
        );
    }
}
