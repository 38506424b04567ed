using System.Text.Json;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A conversation, and what a template may be told beside it.</summary>
/// <param name="Messages">The turns.</param>
public sealed record Conversation(IReadOnlyList<ChatMessage> Messages)
{
    /// <summary>The tools a model may call, a list; null: none. Its document must be open while the conversation is rendered.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>More variables of the template, an object (<c>chat_template_kwargs</c>); null: none.</summary>
    public JsonElement? Variables { get; init; }
}
