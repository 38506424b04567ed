using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Client.Commands;

/// <summary>A conversation from files, as <c>render</c> is given it.</summary>
internal static class ConversationFile
{
    /// <summary>Reads messages, and tools and variables where files of their own have them.</summary>
    /// <exception cref="PeftException">Names the file and what is wrong.</exception>
    public static Conversation Read(string messages, string? tools, string? variables)
    {
        var root = JsonText.ReadAny(messages, "name a JSON list of messages");
        var (list, beside) = (root, (JsonElement?)null);
        if (root.ValueKind == JsonValueKind.Object)
        {
            if (!root.TryGetProperty("messages", out list))
                throw new PeftException($"{messages}: an object without \"messages\"; write a list of messages, or such an object");
            if (root.TryGetProperty("tools", out var own) && own.ValueKind != JsonValueKind.Null) beside = own;
        }

        if (list.ValueKind != JsonValueKind.Array) throw new PeftException($"{messages}: the messages are not a list");
        if (tools is not null) beside = JsonText.ReadAny(tools, "name a JSON list of tools");
        if (beside is { ValueKind: not JsonValueKind.Array })
            throw new PeftException($"{tools ?? messages}: the tools are not a list");
        var more = variables is null ? (JsonElement?)null : JsonText.ReadAny(variables, "name a JSON object of variables");
        if (more is { ValueKind: not JsonValueKind.Object }) throw new PeftException($"{variables}: not a JSON object of variables");
        return new Conversation([.. list.EnumerateArray().Select((message, i) => Message(messages, message, i))])
        {
            Tools = beside,
            Variables = more,
        };
    }

    private static ChatMessage Message(string file, JsonElement message, int index)
    {
        if (message.ValueKind == JsonValueKind.Object
            && message.TryGetProperty("role", out var role) && role.ValueKind == JsonValueKind.String)
            return new ChatMessage(role.GetString()!, null) { Fields = message };
        throw new PeftException($"{file}: message {index} is not an object with the text \"role\"");
    }
}
