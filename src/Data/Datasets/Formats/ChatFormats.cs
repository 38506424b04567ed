using System.Text.Json;
using Peft.Orleans.Data.ChatTemplates;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>Conversations in a chat template; every assistant reply and its end-of-turn token is learned.</summary>
internal abstract class ChatFormat(ChatSamples samples, bool maskPrompt) : SampleFormat
{
    protected ChatTemplate Template => samples.Template;

    public override (int[] Ids, int[] Labels) Read(JsonElement line) => ReadAll(line)[0];

    public override void Check(JsonElement line) => samples.Check(Conversation(line));

    public override IReadOnlyList<(int[] Ids, int[] Labels)> ReadAll(JsonElement line) => samples.Of(Conversation(line));

    private Conversation Conversation(JsonElement line)
    {
        LineFields.CheckChat(line);
        var messages = WithSystem(line, Messages(line));
        for (var i = 0; i < messages.Count; i++) RequireLearnable(messages[i], i + 1);
        return new Conversation(messages) { Tools = Tools(line), Variables = Variables(line) };
    }

    private JsonElement? Tools(JsonElement line)
    {
        if (!LineFields.Says(line, "tools", out var tools)) return null;
        if (!Template.ReadsTools) throw new FormatException($"the field \"tools\" {LineFields.NotRendered}");
        return OfText("tools", tools, JsonValueKind.Array, "a list of tools");
    }

    private JsonElement? Variables(JsonElement line)
    {
        if (!LineFields.Says(line, TemplateVariables.Field, out var field)) return null;
        var variables = OfText(TemplateVariables.Field, field, JsonValueKind.Object, "an object of the template's variables");
        TemplateVariables.Check(variables, Template, LineFields.Says(line, "tools", out _));
        return variables;
    }

    // Some files hold it as a text, because columns of Parquet have one type.
    private static JsonElement OfText(string name, JsonElement field, JsonValueKind kind, string what)
    {
        try
        {
            if (field.ValueKind == JsonValueKind.String) field = JsonElement.Parse(field.GetString()!);
        }
        catch (JsonException error)
        {
            throw new FormatException($"the field \"{name}\" is a text, and no JSON; write {what}", error);
        }

        return field.ValueKind == kind ? field : throw new FormatException($"the field \"{name}\" is not {what}");
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
internal sealed class Gsm8kFormat(ChatSamples samples, bool maskPrompt) : ChatFormat(samples, maskPrompt)
{
    protected override List<ChatMessage> Messages(JsonElement line) =>
        [new(ChatMessage.User, Text(line, "question")), new(ChatMessage.Assistant, Text(line, "answer"))];
}

/// <summary><c>{"messages": [{"role", "content"}]}</c>, or ShareGPT's <c>{"conversations": [{"from", "value"}]}</c>.</summary>
internal sealed class MessagesFormat(ChatSamples samples, bool maskPrompt) : ChatFormat(samples, maskPrompt)
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
            var learned = LineFields.CheckTurn(turn, number, Renders);
            var message = shareGpt
                ? new ChatMessage(Role(Text(turn, "from")), Text(turn, "value"))
                : ChatTurn.Read(turn, number, Role(Text(turn, "role")), Renders);
            messages.Add(message with { Learned = learned });
        }

        return messages;

        bool Renders(string field) => Template.ReadsField(field, LineFields.Says(line, "tools", out _));
    }

    private static string Role(string name) => name switch
    {
        "human" => ChatMessage.User,
        "gpt" => ChatMessage.Assistant,
        "system" or "user" or "assistant" or "tool" => name,
        _ => throw new FormatException($"unknown role \"{name}\" (known: system, user, assistant, tool; ShareGPT's human, gpt)"),
    };
}
