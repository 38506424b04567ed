namespace Peft.Orleans.Data.ChatTemplates;

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
