using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;

namespace Peft.Orleans.Data.Tests.ChatTemplates;

/// <summary>What of a conversation is learned, by the run file's keys and the template's ways.</summary>
public sealed class ChatSamplesTests : IDisposable
{
    private const string ChatMl = BuiltInTemplates.ChatMl;

    // As Qwen3: thinking is written in the last reply only.
    private const string Forgetful =
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('#')[-1] }}{% else %}{{ m.content }}{% endif %}<end>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

    private const string Marked =
        "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}.{% endgeneration %}{% else %}U:{{ m.content }}{% endif %}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}";

    private static readonly ChatMessage[] Talk =
    [
        new("user", "one"), new("assistant", "t#two"), new("user", "three"), new("assistant", "f#four"),
    ];

    private readonly TemporaryFolder folder = new();
    private readonly CharacterTokenizer tokenizer = new("</s>", "<|im_start|>", "<|im_end|>", "<end>");

    [Fact]
    public void Each_reply_is_learned_with_its_end() =>
        Assert.Equal(["t#two<|im_end|>f#four<|im_end|>"], Learned(ChatMl, Talk));

    [Fact]
    public void Split_makes_a_sample_of_each_reply()
    {
        var samples = Samples(ChatMl, Talk, new DataSpec { MultiTurn = MultiTurn.Split });
        Assert.Equal(["t#two<|im_end|>", "f#four<|im_end|>"], samples.Select(Decoded));
        Assert.Equal(
            "<|im_start|>user\none<|im_end|>\n<|im_start|>assistant\nt#two<|im_end|>\n",
            tokenizer.Decode(samples[0].Ids, skipSpecialTokens: false));
    }

    [Fact]
    public void A_template_that_writes_earlier_replies_differently_is_learned_split_only()
    {
        var error = Assert.Throws<FormatException>(() => Samples(Forgetful, Talk));
        const string Reason = "message 1: the whole rendering writes it, or what is before it, differently";
        Assert.Contains(Reason, error.Message, StringComparison.Ordinal);
        Assert.Contains("data.multi_turn: split", error.Message, StringComparison.Ordinal);
        var split = Samples(Forgetful, Talk, new DataSpec { MultiTurn = MultiTurn.Split });
        Assert.Equal(["t#two<end>", "f#four<end>"], split.Select(Decoded));
        Assert.Equal("<user>one<end>\n<assistant>two<end>\n<user>three<end>\n<assistant>f#four<end>\n", Text(split[1]));
        Assert.Equal("<assistant>two<end>", Text(Samples(Forgetful, Talk, new DataSpec { MaskPrompt = false })[0])[15..34]);
    }

    [Fact]
    public void Marks_of_the_template_win()
    {
        Assert.Equal(["t#two.f#four."], Learned(Marked, Talk));
        Assert.Equal(["t#two.", "f#four."], Learned(Marked, Talk, new DataSpec { MultiTurn = MultiTurn.Split }));
        Assert.Equal(["f#four."], Learned(Marked, [Talk[0], Talk[1] with { Learned = false }, .. Talk[2..]]));
    }

    [Fact]
    public void Replies_of_weight_0_are_not_learned()
    {
        ChatMessage[] some = [Talk[0], Talk[1] with { Learned = false }, .. Talk[2..]];
        Assert.Equal(["f#four<|im_end|>"], Learned(ChatMl, some));
        Assert.Equal(["f#four<|im_end|>"], Learned(ChatMl, some, new DataSpec { MultiTurn = MultiTurn.Split }));
        var all = Assert.Single(Samples(ChatMl, some, new DataSpec { MaskPrompt = false }));
        Assert.Equal(Text(all).Replace("t#two<|im_end|>", "", StringComparison.Ordinal), Decoded(all));
    }

    [Fact]
    public void The_end_of_turn_is_the_run_files_word_or_what_the_template_writes_or_the_end_of_text()
    {
        const string Plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ ' STOP' if m.role == 'assistant' }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
        var error = Assert.Throws<FormatException>(() => Samples(Plain, Talk));
        Assert.Contains("message 1: no end of turn closes it", error.Message, StringComparison.Ordinal);
        Assert.Contains("data.end_of_turn (looked for: </s>)", error.Message, StringComparison.Ordinal);
        Assert.Equal(["t#two STOPf#four STOP"], Learned(Plain, Talk, new DataSpec { EndOfTurn = ["STOP"] }));
        Assert.Equal(["t#two STOP\nf#four STOP\n"], Learned(Plain, Talk, new DataSpec { EndOfTurn = ["no", "STOP\n", "OP"] }));
        Assert.Equal(["t#two</s>f#four</s>"], Learned(Plain.Replace("' STOP'", "eos_token", StringComparison.Ordinal), Talk));

        // Some close the answer and then the turn: both are learned.
        var both = Plain.Replace("' STOP'", "'<end><|im_end|>'", StringComparison.Ordinal);
        Assert.Equal(["t#two<end><|im_end|>f#four<end><|im_end|>"], Learned(both, Talk));
    }

    [Fact]
    public void A_token_over_the_border_is_learned()
    {
        // The prompt ends with a line break, and so the reply begins: one token of both.
        Assert.Equal(["\n\nx<|im_end|>"], Learned(ChatMl, [new("user", "u"), new("assistant", "\nx")]));
        Assert.Equal(["x<end>\n\n"], Learned(
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
            [new("user", "u"), new("assistant", "x")],
            new DataSpec { EndOfTurn = ["<end>\n"] }));
    }

    [Fact]
    public void A_conversation_may_begin_with_a_reply_where_the_template_lets_it()
    {
        Assert.Equal(["hello<|im_end|>"], Learned(ChatMl, [new("assistant", "hello"), new("user", "u")]));
        var error = Assert.Throws<FormatException>(() => Samples("{{ messages[0].role }}" + ChatMl, [new("assistant", "hello")]));
        Assert.Contains("message 0: nothing before it", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refusals_are_the_templates_words()
    {
        var error = Assert.Throws<FormatException>(() => Samples("{{ raise_exception('roles must alternate') }}", Talk));
        Assert.Contains("the chat template refuses the conversation: roles must alternate", error.Message, StringComparison.Ordinal);
        Assert.Contains("template.jinja, line 1 of the chat template", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => folder.Dispose();

    private IReadOnlyList<(int[] Ids, int[] Labels)> Samples(string template, ChatMessage[] messages, DataSpec? data = null)
    {
        folder.Write("template.jinja", template);
        folder.Write("tokenizer_config.json", """{"eos_token": "</s>"}""");
        data ??= new DataSpec();
        var chat = ChatTemplate.Select(folder.File("template.jinja"), folder.Path, ChatSettings.Of(data));
        return new ChatSamples(tokenizer, chat, data).Of(new Conversation(messages));
    }

    private string[] Learned(string template, ChatMessage[] messages, DataSpec? data = null) =>
        [.. Samples(template, messages, data).Select(Decoded)];

    private string Text((int[] Ids, int[] Labels) sample) => tokenizer.Decode(sample.Ids, skipSpecialTokens: false);

    private string Decoded((int[] Ids, int[] Labels) sample)
    {
        Assert.All(sample.Ids.Zip(sample.Labels), static pair => Assert.True(pair.Second < 0 || pair.First == pair.Second));
        return tokenizer.Decode(sample.Labels.Where(static label => label >= 0).ToArray(), skipSpecialTokens: false);
    }
}
