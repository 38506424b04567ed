namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>ChatML.</summary>
/// <param name="systemPrompt">The system prompt of conversations that begin without one; null: none is added.</param>
internal sealed class ChatMlTemplate(string? systemPrompt) : ChatTemplate
{
    /// <inheritdoc/>
    public override string Name => "chatml";

    /// <inheritdoc/>
    protected override string TurnStart => "<|im_start|>";

    /// <inheritdoc/>
    public override string TurnEnd => "<|im_end|>";

    /// <inheritdoc/>
    public override string Jinja => "{% for message in messages %}" + Opening()
        + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    /// <inheritdoc/>
    protected override string GenerationPrompt => "<|im_start|>assistant\n";

    /// <inheritdoc/>
    protected override string Opening(IReadOnlyList<ChatMessage> messages) =>
        systemPrompt is null || messages.Count == 0 || messages[0].Role == "system"
            ? ""
            : $"<|im_start|>system\n{systemPrompt}<|im_end|>\n";

    /// <inheritdoc/>
    protected override RenderedTurn Turn(ChatMessage message) =>
        new($"<|im_start|>{message.Role}\n", message.Content ?? "", TurnEnd, "\n", message.Role == ChatMessage.Assistant);

    private string Opening() =>
        systemPrompt is null
            ? ""
            : "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n"
                + systemPrompt.Replace("\n", "\\n", StringComparison.Ordinal)
                + "<|im_end|>\\n' }}{% endif %}";
}
