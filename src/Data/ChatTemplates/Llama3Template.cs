namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>Llama 3's plain form: no dates, no tools, contents trimmed.</summary>
public sealed class Llama3Template : ChatTemplate
{
    /// <inheritdoc/>
    public override string Name => "llama3";

    /// <inheritdoc/>
    protected override string TurnStart => "<|start_header_id|>";

    /// <inheritdoc/>
    protected override string TurnEnd => "<|eot_id|>";

    /// <inheritdoc/>
    protected override string GenerationPrompt => "<|start_header_id|>assistant<|end_header_id|>\n\n";

    /// <inheritdoc/>
    protected override string Opening(IReadOnlyList<ChatMessage> messages) => "<|begin_of_text|>";

    /// <inheritdoc/>
    protected override RenderedTurn Turn(ChatMessage message) =>
        new($"<|start_header_id|>{message.Role}<|end_header_id|>\n\n", message.Content.Trim(), TurnEnd, "", message.Role == ChatMessage.Assistant);
}
