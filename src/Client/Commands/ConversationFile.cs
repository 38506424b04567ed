using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Client.Commands;

/// <summary>A conversation from files, as <c>render</c> is given it.</summary>
internal static class ConversationFile
{
    /// <summary>
    /// Reads messages, and tools and variables, which stand beside the messages as in a line of data, or in files of their own.
    /// </summary>
    /// <exception cref="PeftException">Names the file and what is wrong.</exception>
    public static Conversation Read(string messages, string? tools, string? variables)
    {
        var root = JsonText.ReadAny(messages, "name a JSON list of messages");
        var (list, beside, more) = (root, (JsonElement?)null, (JsonElement?)null);
        if (root.ValueKind == JsonValueKind.Object)
        {
            if (!root.TryGetProperty("messages", out list))
                throw new PeftException($"{messages}: an object without \"messages\"; write a list of messages, or such an object");
            if (root.TryGetProperty("tools", out var own) && own.ValueKind != JsonValueKind.Null) beside = own;
            if (root.TryGetProperty(TemplateVariables.Field, out var given) && given.ValueKind != JsonValueKind.Null) more = given;
            if (more is { ValueKind: not JsonValueKind.Object })
                throw new PeftException($"{messages}: \"{TemplateVariables.Field}\" is not an object of variables");
        }

        if (list.ValueKind != JsonValueKind.Array) throw new PeftException($"{messages}: the messages are not a list");
        if (tools is not null) beside = JsonText.ReadAny(tools, "name a JSON list of tools");
        if (beside is { ValueKind: not JsonValueKind.Array })
            throw new PeftException($"{tools ?? messages}: the tools are not a list");
        if (variables is not null) more = Laid(more, variables);
        return new Conversation([.. list.EnumerateArray().Select((message, i) => Message(messages, message, i))])
        {
            Tools = beside,
            Variables = more,
        };
    }

    // A file of their own may give anything, the tokenizer's tokens too, but what other options give.
    private static JsonElement Laid(JsonElement? beside, string variables)
    {
        var laid = JsonText.ReadAny(variables, "name a JSON object of variables");
        if (laid.ValueKind != JsonValueKind.Object) throw new PeftException($"{variables}: not a JSON object of variables");
        foreach (var (name, option) in (ReadOnlySpan<(string, string)>)
            [("messages", "--messages"), ("tools", "--tools"), ("add_generation_prompt", "--add-generation-prompt")])
        {
            if (laid.TryGetProperty(name, out _))
                throw new PeftException($"{variables}: \"{name}\" is no further variable; it is given by {option}");
        }

        return beside is null
            ? laid
            : throw new PeftException($"{variables}: the messages' file gives \"{TemplateVariables.Field}\" too; give one of them");
    }

    private static ChatMessage Message(string file, JsonElement message, int index)
    {
        if (message.ValueKind == JsonValueKind.Object
            && message.TryGetProperty("role", out var role) && role.ValueKind == JsonValueKind.String)
            return new ChatMessage(role.GetString()!, null) { Fields = message };
        throw new PeftException($"{file}: message {index} is not an object with the text \"role\"");
    }
}
