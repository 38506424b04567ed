using System.Text.Json;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>Conversations in a chat template; every assistant reply and its end-of-turn token is learned.</summary>
internal abstract class ChatFormat(ITextTokenizer tokenizer, ChatTemplate template, bool maskPrompt) : SampleFormat
{
    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        var messages = Messages(line);
        if (!messages.Exists(static message => message.Role == ChatMessage.Assistant)) throw new FormatException("there is no assistant reply to learn");
        var chat = template.Encode(tokenizer, messages, addGenerationPrompt: false);
        if (!maskPrompt) return (chat.Ids, (int[])chat.Ids.Clone());
        var labels = new int[chat.Ids.Length];
        Array.Fill(labels, Microbatch.Masked);
        foreach (var span in chat.Learned) chat.Ids.AsSpan(span).CopyTo(labels.AsSpan(span));
        return (chat.Ids, labels);
    }

    protected abstract List<ChatMessage> Messages(JsonElement line);
}

/// <summary><c>{"question", "answer"}</c> as user and assistant; calculator marks are kept.</summary>
internal sealed class Gsm8kFormat(ITextTokenizer tokenizer, ChatTemplate template, bool maskPrompt) : ChatFormat(tokenizer, template, maskPrompt)
{
    protected override List<ChatMessage> Messages(JsonElement line) =>
        [new(ChatMessage.User, Text(line, "question")), new(ChatMessage.Assistant, Text(line, "answer"))];
}

/// <summary><c>{"messages": [{"role", "content"}]}</c>, or ShareGPT's <c>{"conversations": [{"from", "value"}]}</c>.</summary>
internal sealed class MessagesFormat(ITextTokenizer tokenizer, ChatTemplate template, bool maskPrompt) : ChatFormat(tokenizer, template, maskPrompt)
{
    protected override List<ChatMessage> Messages(JsonElement line)
    {
        var shareGpt = !line.TryGetProperty("messages", out var turns);
        if (shareGpt && !line.TryGetProperty("conversations", out turns)) throw new FormatException("the field \"messages\" (or \"conversations\") is missing");
        if (turns.ValueKind != JsonValueKind.Array) throw new FormatException($"the field \"{(shareGpt ? "conversations" : "messages")}\" is not a list");
        var messages = new List<ChatMessage>();
        foreach (var turn in turns.EnumerateArray())
        {
            if (turn.ValueKind != JsonValueKind.Object) throw new FormatException($"turn {messages.Count + 1} is not an object");
            messages.Add(shareGpt
                ? new ChatMessage(Role(Text(turn, "from")), Text(turn, "value"))
                : new ChatMessage(Role(Text(turn, "role")), Text(turn, "content")));
        }

        return messages;
    }

    private static string Role(string name) => name switch
    {
        "human" => ChatMessage.User,
        "gpt" => ChatMessage.Assistant,
        "system" or "user" or "assistant" or "tool" => name,
        _ => throw new FormatException($"unknown role \"{name}\" (known: system, user, assistant, tool; ShareGPT's human, gpt)"),
    };
}
