using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.ChatTemplates;

public sealed class ChatTemplateTests
{
    private const string Plain =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static readonly ChatMessage[] Talk = [new(ChatMessage.User, "u"), new(ChatMessage.Assistant, "a")];

    [Theory]
    [InlineData("chatml", ChatTemplateNames.Model, "models/SmolLM2-135M-Instruct")]
    [InlineData("llama3", ChatTemplateNames.Llama3, "tokenizers/llama3-hf")]
    [InlineData("llama3", ChatTemplateNames.Llama3, "tokenizers/llama-bpe")]
    public void Renders_the_references_text_and_ids(string key, string name, string folder)
    {
        folder = SharedFolder.Require(folder);
        var template = ChatTemplate.Select(name, folder);
        var tokenizer = TokenizerLoader.Load(folder);
        using var document = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("goldens/chat-templates.json")));
        foreach (var chat in document.RootElement.GetProperty(key).EnumerateArray())
        {
            var messages = chat.GetProperty("messages").EnumerateArray()
                .Select(static m => new ChatMessage(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!)).ToArray();
            var open = chat.GetProperty("add_generation_prompt").GetBoolean();
            var text = template.Render(new Conversation(messages), open);
            Assert.Equal(chat.GetProperty("text").GetString(), text);
            Assert.Equal(chat.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32()), tokenizer.EncodeWithSpecials(text));
            if (open || !messages.Any(static message => message.Role == ChatMessage.Assistant)) continue;

            // What is learned decodes to the replies with their end-of-turn token.
            var (end, trim) = key == "chatml" ? ("<|im_end|>", false) : ("<|eot_id|>", true);
            var replies = messages.Where(static m => m.Role == "assistant").Select(m => (trim ? m.Content!.Trim() : m.Content) + end);
            var (ids, labels) = Assert.Single(new ChatSamples(tokenizer, template, new DataSpec()).Of(new Conversation(messages)));
            Assert.Equal(tokenizer.EncodeWithSpecials(text), ids);
            Assert.Equal(
                string.Concat(replies),
                tokenizer.Decode(labels.Where(static label => label >= 0).ToArray(), skipSpecialTokens: false));
        }
    }

    [Fact]
    public void The_models_template_is_found_wherever_models_have_it()
    {
        using var folder = new TemporaryFolder();
        void Check(string expected, JsonElement? tools = null)
        {
            var conversation = new Conversation(Talk) { Tools = tools };
            Assert.Equal(expected, ChatTemplate.Select(ChatTemplateNames.Model, folder.Path).Render(conversation, false));
        }

        using var tools = JsonDocument.Parse("""[{"name": "t"}]""");
        folder.Write("tokenizer_config.json", JsonSerializer.Serialize(new { chat_template = "plain" }));
        Check("plain");
        folder.Write(
            "tokenizer_config.json",
            """{"chat_template": [{"name": "tool_use", "template": "with {{ tools[0].name }}"}, {"name": "default", "template": "listed"}]}"""
        );
        Check("listed");
        Check("with t", tools.RootElement);
        folder.Write("chat_template.jinja", "of its own{{ tools is none }}");
        Check("of its ownTrue");
        Check("of its ownFalse", tools.RootElement);
        Directory.CreateDirectory(folder.File("additional_chat_templates"));
        folder.Write("additional_chat_templates/tool_use.jinja", "for tools");
        Check("for tools", tools.RootElement);
    }

    [Fact]
    public void Special_tokens_are_variables_and_files_may_be_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": "<p>"}""");
        folder.Write("mine.jinja", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}{{ unk_token }}");
        Assert.Equal("<s>u</s><p>", ChatTemplate.Select(folder.File("mine.jinja"), folder.Path).Render(new Conversation(Talk), false));
        var missing = Assert.Throws<PeftException>(() => ChatTemplate.Select(folder.File("no.jinja"), folder.Path));
        Assert.Contains("no.jinja", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_models_own_template_adds_a_system_prompt()
    {
        using var folder = new TemporaryFolder();
        var withSystem = Plain.Replace(
            "{{'<|im_start|>' +",
            "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' +",
            StringComparison.Ordinal);
        folder.Write("tokenizer_config.json", JsonSerializer.Serialize(new { chat_template = withSystem }));
        var talk = new Conversation([new("user", "u")]);
        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nu<|im_end|>\n",
            ChatTemplate.Select(ChatTemplateNames.Model, folder.Path).Render(talk, false)
        );
        Assert.Equal("<|im_start|>user\nu<|im_end|>\n", ChatTemplate.Select(ChatTemplateNames.ChatMl, folder.Path).Render(talk, false));
    }

    [Fact]
    public void Vicuna_is_written_as_its_makers_write_it()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": "</s>"}""");
        var template = ChatTemplate.Select(ChatTemplateNames.Vicuna, folder.Path);
        Assert.Equal("<s>S USER: u ASSISTANT: a</s>USER: v ASSISTANT:", template.Render(
            new Conversation([new("system", "S"), .. Talk, new(ChatMessage.User, "v")]), addGenerationPrompt: true));
        Assert.StartsWith(
            "<s>A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
                + "answers to the user's questions. USER: u ASSISTANT: a</s>",
            template.Render(new Conversation(Talk), addGenerationPrompt: false),
            StringComparison.Ordinal
        );
        var error = Assert.Throws<FormatException>(() => template.Render(new Conversation([new("tool", "x")]), false));
        Assert.Contains("refuses the conversation: vicuna knows the roles", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_that_cannot_be_read_is_refused_with_file_and_line()
    {
        using var folder = new TemporaryFolder();
        folder.Write("chat_template.jinja", "{% for m in messages %}\n{{ m.content }\n{% endfor %}");
        var error = Assert.Throws<PeftException>(() => ChatTemplate.Select(ChatTemplateNames.Model, folder.Path));
        Assert.StartsWith($"{folder.File("chat_template.jinja")}, line 2 of the chat template: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_that_fails_says_where()
    {
        using var folder = new TemporaryFolder();
        folder.Write("chat_template.jinja", "a\n{{ messages[0].content + 1 }}");
        var template = ChatTemplate.Select(ChatTemplateNames.Model, folder.Path);
        var error = Assert.Throws<FormatException>(() => template.Render(new Conversation(Talk), false));
        Assert.Equal(
            $"the chat template fails on the conversation: can only concatenate str (not \"int\") to str "
                + $"({folder.File("chat_template.jinja")}, line 2 of the chat template)",
            error.Message
        );
    }

    [Fact]
    public void A_model_without_template_says_so()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => ChatTemplate.Select(ChatTemplateNames.Model, folder.Path));
        Assert.Contains("no chat_template", error.Message, StringComparison.Ordinal);
        Assert.Contains("data.chat_template", error.Message, StringComparison.Ordinal);
    }
}
