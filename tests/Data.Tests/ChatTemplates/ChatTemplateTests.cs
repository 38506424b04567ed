using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.ChatTemplates;

public sealed class ChatTemplateTests
{
    private const string PlainChatMl =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private const string Llama3 =
        "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

    [Theory]
    [InlineData("chatml", ChatTemplateName.Model, "models/SmolLM2-135M-Instruct")]
    [InlineData("llama3", ChatTemplateName.Llama3, "tokenizers/llama3-hf")]
    [InlineData("llama3", ChatTemplateName.Llama3, "tokenizers/llama-bpe")]
    public void RendersTheReferencesTextAndIds(string key, ChatTemplateName name, string folder)
    {
        folder = SharedFolder.Require(folder);
        var template = ChatTemplate.Select(name, folder);
        var tokenizer = TokenizerLoader.Load(folder);
        using var document = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("goldens/chat-templates.json")));
        Assert.Equal(key, template.Name);
        foreach (var chat in document.RootElement.GetProperty(key).EnumerateArray())
        {
            var messages = chat.GetProperty("messages").EnumerateArray()
                .Select(static m => new ChatMessage(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!)).ToArray();
            var open = chat.GetProperty("add_generation_prompt").GetBoolean();
            Assert.Equal(chat.GetProperty("text").GetString(), template.Render(messages, open));
            var rendered = template.Encode(tokenizer, new Conversation(messages), open);
            Assert.Equal(chat.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32()), rendered.Ids);

            // What is learned decodes to the replies with their end-of-turn token.
            var (end, trim) = key == "chatml" ? ("<|im_end|>", false) : ("<|eot_id|>", true);
            var replies = messages.Where(static m => m.Role == "assistant").Select(m => (trim ? m.Content!.Trim() : m.Content) + end);
            Assert.Equal(replies, rendered.Learned.Select(span => tokenizer.Decode(rendered.Ids[span], skipSpecialTokens: false)));
        }
    }

    [Theory]
    [InlineData(PlainChatMl, "chatml")]
    [InlineData(Llama3, "llama3")]
    public void RecognisesKnownTemplatesByTheirText(string jinja, string name)
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer_config.json", JsonSerializer.Serialize(new { chat_template = jinja }));
        Assert.Equal(name, ChatTemplate.Select(ChatTemplateName.Model, folder.Path).Name);
        folder.Write(
            "tokenizer_config.json",
            JsonSerializer.Serialize(new { chat_template = new[] { new { name = "default", template = jinja } } })
        );
        Assert.Equal(name, ChatTemplate.Select(ChatTemplateName.Model, folder.Path).Name);
        folder.Write("tokenizer_config.json", "{}");
        folder.Write("chat_template.jinja", jinja.Replace("\\n", "\n", StringComparison.Ordinal));
        Assert.Equal(name, ChatTemplate.Select(ChatTemplateName.Model, folder.Path).Name);
    }

    [Fact]
    public void OnlyTheModelsOwnTemplateAddsASystemPrompt()
    {
        using var folder = new TemporaryFolder();
        var withSystem = PlainChatMl.Replace(
            "{{'<|im_start|>' +",
            "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' +",
            StringComparison.Ordinal);
        folder.Write("tokenizer_config.json", JsonSerializer.Serialize(new { chat_template = withSystem }));
        ChatMessage[] talk = [new("user", "u")];
        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nu<|im_end|>\n",
            ChatTemplate.Select(ChatTemplateName.Model, folder.Path).Render(talk, false)
        );
        Assert.Equal("<|im_start|>user\nu<|im_end|>\n", ChatTemplate.Select(ChatTemplateName.ChatMl, folder.Path).Render(talk, false));
    }

    [Theory]
    [InlineData("{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}", "Mistral")]
    [InlineData("{% for m in messages %}<|im_start|>{{ m.role }}{{ tools }}{% endfor %}", "tools")]
    [InlineData("{{ 'Cutting Knowledge Date: December 2023' }}", "Llama 3.1")]
    public void OtherTemplatesAreRefusedByName(string jinja, string name)
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer_config.json", JsonSerializer.Serialize(new { chat_template = jinja }));
        var error = Assert.Throws<PeftException>(() => ChatTemplate.Select(ChatTemplateName.Model, folder.Path));
        Assert.Contains(folder.File("tokenizer_config.json"), error.Message, StringComparison.Ordinal);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains("data.chat_template", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("'\\n' + message['content']", "' ' + message['content']")]
    [InlineData("'<|im_end|>' + '\\n'}}", "'<|im_end|>'}}")]
    [InlineData("'\\n'}}{% endfor %}", "'\\n'}}\n{% endfor %}")]
    [InlineData("{{ '<|im_start|>assistant\\n' }}", "{{ '<|im_start|>assistant' }}")]
    public void ATemplateThatRendersSomethingElseIsRefused(string part, string other)
    {
        using var folder = new TemporaryFolder();
        Assert.Contains(part, PlainChatMl, StringComparison.Ordinal);
        folder.Write("chat_template.jinja", PlainChatMl.Replace(part, other, StringComparison.Ordinal));
        Assert.Contains(
            "a variant of ChatML",
            Assert.Throws<PeftException>(() => ChatTemplate.Select(ChatTemplateName.Model, folder.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void LineBreaksThatRenderNothingDoNotMatter()
    {
        using var folder = new TemporaryFolder();
        folder.Write(
            "chat_template.jinja",
            PlainChatMl.Replace("%}{{", "%}\n{{", StringComparison.Ordinal).Replace("}}{%", "}}\n  {%-", StringComparison.Ordinal)
        );
        Assert.Equal("chatml", ChatTemplate.Select(ChatTemplateName.Model, folder.Path).Name);
    }

    [Fact]
    public void AModelWithoutTemplateSaysSo()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains(
            "no chat_template",
            Assert.Throws<PeftException>(() => ChatTemplate.Select(ChatTemplateName.Model, folder.Path)).Message,
            StringComparison.Ordinal
        );
    }
}
