using System.Text.Json;
using Peft.Orleans.Data.Jinja;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A conversation, made ready for a template once and rendered as often as asked for.</summary>
internal sealed class ChatRendering
{
    private static readonly string[] Reasoning = ["reasoning_content", "thinking", "reasoning"];

    private readonly ChatTemplate template;
    private readonly object?[] messages;
    private readonly bool hasTools;
    private readonly List<KeyValuePair<string, object?>> variables = [];

    public ChatRendering(ChatTemplate template, Conversation conversation, ITextTokenizer? tokenizer)
    {
        this.template = template;
        Conversation = conversation;
        Tokenizer = tokenizer;
        var meter = new Meter();
        messages = [.. conversation.Messages.Select(message => (object?)Message(message, meter))];
        hasTools = conversation.Tools is { ValueKind: not JsonValueKind.Null };
        variables.Add(new("tools", hasTools ? JinjaValues.Of(conversation.Tools!.Value) : null));
        variables.Add(new("documents", null));
        foreach (var (name, text) in template.TokensWith(tokenizer)) variables.Add(new(name, text));
        if (conversation.Variables is not { ValueKind: JsonValueKind.Object } more) return;
        foreach (var variable in more.EnumerateObject()) variables.Add(new(variable.Name, JinjaValues.Of(variable.Value)));
    }

    public Conversation Conversation { get; }

    public ITextTokenizer? Tokenizer { get; }

    public ChatTemplate Template => template;

    /// <summary>The first messages as text.</summary>
    /// <exception cref="FormatException">The template refuses them, or fails on them.</exception>
    public JinjaText Text(int count, bool addGenerationPrompt)
    {
        KeyValuePair<string, object?>[] own =
        [
            new("messages", new ListValue(count == messages.Length ? messages : messages[..count])),
            new("add_generation_prompt", Types.Box(addGenerationPrompt)),
        ];
        try
        {
            return template.Render(variables.Concat(own), hasTools);
        }
        catch (JinjaException error)
        {
            var place = $"{template.Place}, line {error.Line} of the chat template";
            throw new FormatException(
                error.Kind == JinjaFailure.Raised
                    ? $"the chat template refuses the conversation: {error.Message} ({place})"
                    : $"the chat template fails on the conversation: {error.Message} ({place})",
                error);
        }
    }

    // As transformers does: what is null is not there, and reasoning has several names.
    private static DictValue Message(ChatMessage message, Meter meter)
    {
        var made = new DictValue();
        if (message.Fields is not { } fields)
        {
            made.Set("role", message.Role, meter);
            if (message.Content is not null) made.Set("content", message.Content, meter);
            return made;
        }

        foreach (var field in fields.EnumerateObject())
        {
            if (field.Value.ValueKind != JsonValueKind.Null) made.Set(field.Name, JinjaValues.Of(field.Value), meter);
        }

        foreach (var name in Reasoning)
        {
            if (!made.TryGet(name, meter, out var reasoning)) continue;
            foreach (var other in Reasoning[..2])
            {
                if (!made.TryGet(other, meter, out _)) made.Set(other, reasoning, meter);
            }

            break;
        }

        return made;
    }
}
