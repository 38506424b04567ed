using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Messages that are more than a text: tool calls, tools, parts.</summary>
public sealed class ToolCallTests
{
    private const string Reads =
        "{% if tools %}{{ tools[0].name }}{{ eos_token }}{% endif %}{% for m in messages %}{{ m.role }}: {% if m.content is string %}"
        + "{{ m.content }}{% else %}{% for part in m.content or [] %}{{ part.text if part.type == 'text' }}{% endfor %}{% endif %}"
        + "{% for call in m.tool_calls or [] %}{{ call.name }}({{ call.x }}){% endfor %}{{ eos_token }}{% endfor %}"
        + "{% if add_generation_prompt %}assistant: {% endif %}";

    private const string ReadsTexts =
        "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
        + "{% if add_generation_prompt %}assistant: {% endif %}";

    [Theory]
    [InlineData(Reads, "", """ "content":null,"tool_calls":[{"name":"add","x":4}]  """, "user: a</s>assistant: add(4)</s>")]
    [InlineData(Reads, ""","tools":[{"name":"sum"}]  """, """ "content":"b" """, "sum</s>user: a</s>assistant: b</s>")]
    [InlineData(Reads, ""","tools":"[{\"name\":\"sum\"}]" """, """ "content":"b" """, "sum</s>user: a</s>assistant: b</s>")]
    [InlineData(Reads, "", """ "content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]  """, "user: a</s>assistant: bc</s>")]
    [InlineData(ReadsTexts, "", """ "content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]  """, "user: a</s>assistant: bc</s>")]
    public void TheTemplateSeesThemAsTheyStand(string template, string beside, string reply, string text)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer(folder);
        var ids = Load(folder, tokenizer, template, beside, reply).Get(1, 0).InputIds;
        Assert.Equal(text, tokenizer.Decode(ids, skipSpecialTokens: false));
    }

    [Theory]
    [InlineData(ReadsTexts, "", """ "content":null,"tool_calls":[{"name":"f"}]  """, "turn 2: the field \"tool_calls\" is not rendered")]
    [InlineData(ReadsTexts, ""","tools":[{"name":"f"}]  """, """ "content":"b" """, "the field \"tools\" is not rendered")]
    [InlineData(Reads, ""","tools":{"name":"f"}""", """ "content":"b" """, "\"tools\" is not a list of tools")]
    [InlineData(Reads, ""","tools":"x" """, """ "content":"b" """, "\"tools\" is a text, and no JSON")]
    [InlineData(Reads, "", """ "content":null """, "\"content\" is null")]
    [InlineData(Reads, "", """ "content":[{"type":"image_url"}]  """,
        "turn 2: part 1 of \"content\" is of type image_url, and only text is learned")]
    [InlineData(Reads, "", """ "content":[{"type":"text","text":"b"},{"type":"text"}]  """,
        "turn 2: part 2 of \"content\" has no \"text\"")]
    [InlineData(Reads, "", """ "content":["b"]  """, "turn 2: part 1 of \"content\" is not an object")]
    [InlineData(ReadsTexts, "", """ "content":[{"type":"text","text":"b"}],"name":"n" """, "does not read parts")]
    public void WhatItWouldLeaveOutIsRefusedByLine(string template, string beside, string reply, string reason)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => Load(folder, Tokenizer(folder), template, beside, reply));
        Assert.Contains("line 1: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private const string Thinks =
        "{% set dash = '-' if enable_thinking is defined and enable_thinking is false else '' %}{{ mood.x if mood }}"
        + "{% for m in messages %}{{ m.role }}: {{ dash if m.role == 'assistant' }}{{ m.content }}{{ eos_token }}{% endfor %}"
        + "{% if add_generation_prompt %}assistant: {{ dash }}{% endif %}";

    [Theory]
    [InlineData(""" {"enable_thinking":false} """, "user: a</s>assistant: -b</s>")]
    [InlineData(""" {"mood":{"x":"x"},"enable_thinking":true} """, "xuser: a</s>assistant: b</s>")]
    [InlineData(""" "{\"mood\":{\"x\":\"x\"}}" """, "xuser: a</s>assistant: b</s>")]
    [InlineData(""" {"mood":null,"other":null} """, "user: a</s>assistant: b</s>")]
    [InlineData(""" null """, "user: a</s>assistant: b</s>")]
    public void ALineGivesTheTemplateVariables(string variables, string text)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer(folder);
        var field = $",\"chat_template_kwargs\":{variables}";
        var ids = Load(folder, tokenizer, Thinks, field, """ "content":"b" """).Get(1, 0).InputIds;
        Assert.Equal(text, tokenizer.Decode(ids, skipSpecialTokens: false));
    }

    [Theory]
    [InlineData(""" {"messages":[]} """, "gives \"messages\", which is the conversation's own")]
    [InlineData(""" {"tools":[]} """, "gives \"tools\", which is the conversation's own")]
    [InlineData(""" {"documents":null} """, "gives \"documents\", which is the conversation's own")]
    [InlineData(""" {"add_generation_prompt":true} """, "gives \"add_generation_prompt\"")]
    [InlineData(""" {"eos_token":"x"} """, "gives \"eos_token\", which is the tokenizer's token")]
    [InlineData(""" {"pad_token":"x"} """, "gives \"pad_token\", which is the tokenizer's token")]
    [InlineData(""" {"raise_exception":1} """, "gives \"raise_exception\", which is a function of all templates")]
    [InlineData(""" {"strftime_now":1} """, "gives \"strftime_now\", which is a function of all templates")]
    [InlineData(""" {"continue_final_message":true} """, "gives \"continue_final_message\", which is a parameter")]
    [InlineData(""" {"thinking":true} """, "gives \"thinking\", which the chat template does not read")]
    [InlineData(""" [1] """, "\"chat_template_kwargs\" is not an object")]
    [InlineData(""" "x" """, "\"chat_template_kwargs\" is a text, and no JSON")]
    public void AVariableThatWouldTakeAnothersPlaceIsRefusedByName(string variables, string reason)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(
            () => Load(folder, Tokenizer(folder), Thinks, $",\"chat_template_kwargs\":{variables}", """ "content":"b" """));
        Assert.Contains("line 1: the field ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private static ITextTokenizer Tokenizer(TemporaryFolder folder)
    {
        ArithmeticProblems.WriteTokenizer(folder.Path);
        return TokenizerLoader.Load(folder.Path);
    }

    private static TrainingData Load(TemporaryFolder folder, ITextTokenizer tokenizer, string template, string beside, string reply)
    {
        const string User = """{"role":"user","content":"a"}""";
        var line = $$"""{"messages":[{{User}},{"role":"assistant",{{reply}}}]{{beside}}}""";
        var source = new DataSource { Path = folder.WriteLines("train.jsonl", line), Format = DataFormat.Messages };
        var spec = new RunSpec
        {
            Model = new ModelSpec { Path = folder.Path },
            Data = new DataSpec { Train = source, ChatTemplate = folder.Write("t.jinja", template) },
            Training = new TrainingSpec { Steps = 1, GlobalBatch = 1 },
        };
        return TrainingData.Load(spec, null, tokenizer, 99);
    }
}
