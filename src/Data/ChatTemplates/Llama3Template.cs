namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>Llama 3's plain form: no dates, no tools, contents trimmed.</summary>
internal sealed class Llama3Template : ChatTemplate
{
    /// <inheritdoc/>
    public override string Name => "llama3";

    /// <inheritdoc/>
    protected override string TurnStart => "<|start_header_id|>";

    /// <inheritdoc/>
    public override string TurnEnd => "<|eot_id|>";

    /// <inheritdoc/>
    public override string Jinja => "{% for message in messages %}"
        + "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
        + " + message['content'] | trim + '<|eot_id|>' %}"
        + "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

    /// <inheritdoc/>
    protected override string GenerationPrompt => "<|start_header_id|>assistant<|end_header_id|>\n\n";

    /// <inheritdoc/>
    protected override string Opening(IReadOnlyList<ChatMessage> messages) => "<|begin_of_text|>";

    /// <inheritdoc/>
    protected override RenderedTurn Turn(ChatMessage message) =>
        new(
            $"<|start_header_id|>{message.Role}<|end_header_id|>\n\n",
            (message.Content ?? "").Trim(),
            TurnEnd,
            "",
            message.Role == ChatMessage.Assistant
        );
}
