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
        LineFields.CheckChat(line);
        var messages = WithSystem(line, Messages(line));
        var replies = messages.FindAll(static message => message.Role == ChatMessage.Assistant);
        if (replies.Count == 0) throw new FormatException("there is no assistant reply to learn");
        for (var i = 0; i < messages.Count; i++) RequireLearnable(messages[i], i + 1);
        var chat = template.Encode(tokenizer, new Conversation(messages), addGenerationPrompt: false);
        var labels = (int[])chat.Ids.Clone();
        if (maskPrompt) Array.Fill(labels, Microbatch.Masked);
        foreach (var (span, reply) in chat.Learned.Zip(replies))
        {
            if (reply.Learned == false) labels.AsSpan(span).Fill(Microbatch.Masked);
            else chat.Ids.AsSpan(span).CopyTo(labels.AsSpan(span));
        }

        return (chat.Ids, labels);
    }

    // The column of ShareGPT and Alpaca files, as LLaMA-Factory and axolotl read it.
    private static List<ChatMessage> WithSystem(JsonElement line, List<ChatMessage> messages)
    {
        if (!LineFields.Says(line, "system", out _)) return messages;
        var system = Text(line, "system");
        if (messages.Count == 0 || messages[0].Role != "system") return [new ChatMessage("system", system), .. messages];
        return messages[0].Content == system
            ? messages
            : throw new FormatException("the field \"system\" and the first message are two different system prompts; remove one");
    }

    private void RequireLearnable(ChatMessage message, int number)
    {
        if (message.Learned is not { } learned || message.Role == ChatMessage.Assistant || learned == !maskPrompt)
            return;
        throw new FormatException(
            learned
                ? $"turn {number} ({message.Role}) is marked to be learned; only assistant turns are, or with data.mask_prompt: false all"
                : $"turn {number} ({message.Role}) is marked not to be learned, but data.mask_prompt: false learns everything but replies "
                    + "of weight 0"
        );
    }

    protected abstract List<ChatMessage> Messages(JsonElement line);
}

/// <summary><c>{"question", "answer"}</c> as user and assistant; calculator marks are kept.</summary>
internal sealed class Gsm8kFormat(ITextTokenizer tokenizer, ChatTemplate template, bool maskPrompt)
    : ChatFormat(tokenizer, template, maskPrompt)
{
    protected override List<ChatMessage> Messages(JsonElement line) =>
        [new(ChatMessage.User, Text(line, "question")), new(ChatMessage.Assistant, Text(line, "answer"))];
}

/// <summary><c>{"messages": [{"role", "content"}]}</c>, or ShareGPT's <c>{"conversations": [{"from", "value"}]}</c>.</summary>
internal sealed class MessagesFormat(ITextTokenizer tokenizer, ChatTemplate template, bool maskPrompt)
    : ChatFormat(tokenizer, template, maskPrompt)
{
    protected override List<ChatMessage> Messages(JsonElement line)
    {
        var shareGpt = !line.TryGetProperty("messages", out var turns);
        if (shareGpt && !line.TryGetProperty("conversations", out turns))
            throw new FormatException("the field \"messages\" (or \"conversations\") is missing");
        if (turns.ValueKind != JsonValueKind.Array)
            throw new FormatException($"the field \"{(shareGpt ? "conversations" : "messages")}\" is not a list");
        var messages = new List<ChatMessage>();
        if (!shareGpt && LineFields.Says(line, "conversations", out _))
            throw new FormatException("the fields \"messages\" and \"conversations\" are two conversations; remove one");
        foreach (var turn in turns.EnumerateArray())
        {
            var number = messages.Count + 1;
            if (turn.ValueKind != JsonValueKind.Object) throw new FormatException($"turn {number} is not an object");
            var learned = LineFields.CheckTurn(turn, number);
            var message = shareGpt
                ? new ChatMessage(Role(Text(turn, "from")), Text(turn, "value"))
                : new ChatMessage(Role(Text(turn, "role")), Text(turn, "content"));
            messages.Add(message with { Learned = learned });
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
