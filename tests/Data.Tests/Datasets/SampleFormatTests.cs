using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Datasets;

public sealed class SampleFormatTests
{
    [Theory]
    [InlineData(DataFormat.Completion, """{"prompt":"2+2=","completion":" 4"}""", "<s>2+2=", " 4</s>")]
    [InlineData(DataFormat.Text, """{"text":"abc"}""", "<s>", "abc</s>")]
    [InlineData(
        DataFormat.Alpaca,
        """{"instruction":"Add.","input":"","output":"4"}""",
        "<s>Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### "
            + "Instruction:\nAdd.\n\n### Response:\n",
        "4</s>")]
    [InlineData(
        DataFormat.Alpaca,
        """{"instruction":"Add.","input":"2 2","output":"4"}""",
        "<s>Below is an instruction that describes a task, paired with an input that provides further context. Write a response that "
            + "appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n2 2\n\n### Response:\n",
        "4</s>")]
    public void PlainFormatsLearnTheAnswerAndTheEnd(DataFormat format, string line, string prompt, string learned)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var tokenizer = TokenizerLoader.Load(folder.Path);
        var batch = Load(folder, tokenizer, format, line, mask: true).Get(1, 0);
        Assert.Equal(prompt + learned, tokenizer.Decode(batch.InputIds, skipSpecialTokens: false));
        Assert.Equal(learned, Learned(tokenizer, batch));
        if (format == DataFormat.Text) return;
        Assert.Equal((prompt + learned)["<s>".Length..], Learned(tokenizer, Load(folder, tokenizer, format, line, mask: false).Get(1, 0)));
    }

    // A token that reaches from the header into the reply ("\n\n" of the header's line break and the reply's own) is learned whole.
    [Theory]
    [InlineData(DataFormat.Gsm8k, """{"question":"2+2?","answer":"2+2=<<2+2=4>>4\n#### 4"}""", "2+2=<<2+2=4>>4\n#### 4<|im_end|>")]
    [InlineData(
        DataFormat.Messages,
        """{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"\n b"},{"role":"user","content":"c"},{"role":"assistant","content":""}]}""",
        "\n\n b<|im_end|><|im_end|>"
    )]
    [InlineData(
        DataFormat.Messages,
        """{"conversations":[{"from":"system","value":"s"},{"from":"human","value":"a"},{"from":"gpt","value":"b <|im_end|> c"}]}""",
        "b <|im_end|> c<|im_end|>"
    )]
    public void ChatsLearnEveryReplyWithItsEndOfTurn(DataFormat format, string line, string learned)
    {
        using var folder = new TemporaryFolder();
        var model = SharedFolder.Require("models/SmolLM2-135M-Instruct");
        var tokenizer = TokenizerLoader.Load(model);
        var batch = Load(folder, tokenizer, format, line, mask: true, model, vocabulary: 49152).Get(1, 0);
        Assert.Equal(learned, Learned(tokenizer, batch));
        var all = Load(folder, tokenizer, format, line, mask: false, model, vocabulary: 49152).Get(1, 0);
        Assert.Equal(all.InputIds.Length - 1, all.TargetTokens);
    }

    [Theory]
    [InlineData(DataFormat.Completion, """{"prompt":"a"}""", "\"completion\" is missing")]
    [InlineData(DataFormat.Completion, """{"prompt":3,"completion":"b"}""", "\"prompt\" is not a text")]
    [InlineData(DataFormat.Text, """{"text":"\ud800"}""", "not valid Unicode")]
    public void AMalformedLineSaysWhat(DataFormat format, string line, string reason)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var error = Assert.Throws<PeftException>(() => Load(folder, TokenizerLoader.Load(folder.Path), format, line, mask: true));
        Assert.Contains("line 1: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"a"}]}""", "no assistant reply")]
    [InlineData("""{"messages":[{"role":"robot","content":"a"}]}""", "unknown role \"robot\"")]
    [InlineData("""{"messages":"a"}""", "not a list")]
    [InlineData("""{"talk":[]}""", "\"messages\"")]
    public void AMalformedChatSaysWhat(string line, string reason)
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var error = Assert.Throws<PeftException>(() =>
            Load(folder, TokenizerLoader.Load(folder.Path), DataFormat.Messages, line, mask: true, template: ChatTemplateNames.ChatMl)
        );
        Assert.Contains("line 1: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AChatNeedsATokenizerWithTheTemplatesTokens()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var line = """{"question":"a","answer":"b"}""";
        var error = Assert.Throws<PeftException>(() =>
            Load(folder, TokenizerLoader.Load(folder.Path), DataFormat.Gsm8k, line, mask: true, template: ChatTemplateNames.Llama3)
        );
        Assert.Contains("<|start_header_id|>", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ATokenizerOfAnotherModelIsNoticed()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var error = Assert.Throws<PeftException>(() =>
            Load(folder, TokenizerLoader.Load(folder.Path), DataFormat.Text, """{"text":"~"}""", mask: true, vocabulary: 50)
        );
        Assert.Contains("do not belong together", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("so 1,234 and -5.5.", -5.5)]
    [InlineData(" 12 + 7 = 19.", 19)]
    [InlineData("12-7", 7)]
    [InlineData("1,250 apples", 1250)]
    public void TheLastNumberCounts(string text, double number) => Assert.Equal((decimal)number, EvaluationProblems.LastNumber(text));

    [Fact]
    public void NoNumberIsNoAnswer()
    {
        Assert.Null(EvaluationProblems.LastNumber("none"));
        Assert.False(EvaluationProblems.IsCorrect(EvaluationMetric.LastNumber, "none", "none"));
        Assert.True(EvaluationProblems.IsCorrect(EvaluationMetric.LastNumber, "= 19.0", " 12 + 7 = 19."));
    }

    private static TrainingData Load(
        TemporaryFolder folder,
        ITextTokenizer tokenizer,
        DataFormat format,
        string line,
        bool mask,
        string? model = null,
        int vocabulary = 99,
        string template = ChatTemplateNames.Model
    )
    {
        var path = folder.WriteLines("train", line);
        var spec = new RunSpec
        {
            Model = new ModelSpec { Path = model ?? folder.Path },
            Data = new DataSpec { Train = new DataSource { Path = path, Format = format }, MaskPrompt = mask, ChatTemplate = template },
            Training = new TrainingSpec { Steps = 1, GlobalBatch = 1 },
        };
        return TrainingData.Load(spec, null, tokenizer, vocabulary);
    }

    private static string Learned(ITextTokenizer tokenizer, Microbatch batch) =>
        tokenizer.Decode([.. batch.Targets().Where(static t => t != Microbatch.Masked)], skipSpecialTokens: false);
}
