using System.Text.Json;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A turn of a conversation.</summary>
/// <param name="Role"><c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">Its text; null: it has none (tool calls alone), or it stands in parts (<see cref="Fields"/>).</param>
public sealed record ChatMessage(string Role, string? Content)
{
    /// <summary>
    /// The turn's object as it stands in the data, where it says more than role and text: tool calls, parts, reasoning. Templates then see
    /// it and not the two parameters. Its document must be open while the turn is rendered. Null: role and content are all.
    /// </summary>
    public JsonElement? Fields { get; init; }

    /// <summary>Whether the data says that the turn is learned, or not; null: it says nothing, and an assistant's is.</summary>
    public bool? Learned { get; init; }

    /// <summary>The role whose turns are learned.</summary>
    public const string Assistant = "assistant";

    /// <summary>The role of the person.</summary>
    public const string User = "user";
}
