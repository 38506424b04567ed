namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A turn of a conversation.</summary>
/// <param name="Role"><c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">Its text.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>Whether the data says that the turn is learned, or not; null: it says nothing, and an assistant's is.</summary>
    public bool? Learned { get; init; }

    /// <summary>The role whose turns are learned.</summary>
    public const string Assistant = "assistant";

    /// <summary>The role of the person.</summary>
    public const string User = "user";
}

/// <summary>A turn as a template renders it.</summary>
/// <param name="Header">What precedes the content.</param>
/// <param name="Content">The content.</param>
/// <param name="End">The end-of-turn token; learned with an assistant's content.</param>
/// <param name="Tail">What follows the turn.</param>
/// <param name="Learned">Whether content and end are an assistant's.</param>
public sealed record RenderedTurn(string Header, string Content, string End, string Tail, bool Learned)
{
    /// <summary>The turn's text.</summary>
    public string Text => Header + Content + End + Tail;
}
