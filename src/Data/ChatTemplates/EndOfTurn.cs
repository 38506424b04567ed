using System.Text.Json;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>What closes an assistant's message.</summary>
internal static class EndOfTurn
{
    private const string Reply = "A reply of the assistant.";

    private static readonly ChatMessage[][] Probes =
    [
        [new(ChatMessage.User, "A question."), new(ChatMessage.Assistant, Reply)],
        [new("system", "A rule."), new(ChatMessage.User, "A question."), new(ChatMessage.Assistant, Reply)],
    ];

    /// <summary>
    /// The texts given, else the special token that a template writes behind a reply, else the end-of-text token; none where all are
    /// unknown.
    /// </summary>
    public static IReadOnlyList<string> Of(ChatTemplate template, ITextTokenizer? tokenizer)
    {
        if (template.Settings.EndOfTurn is { Count: > 0 } given) return given;
        if (tokenizer is not null && Found(template, tokenizer) is { } found) return [found];
        return template.TokensWith(tokenizer).TryGetValue("eos_token", out var eos) ? [eos] : [];
    }

    /// <summary>The same for a conversation whose variables may name the end-of-text token.</summary>
    public static IReadOnlyList<string> Of(ChatRendering rendering)
    {
        if (Of(rendering.Template, rendering.Tokenizer) is { Count: > 0 } known) return known;
        return rendering.Conversation.Variables is { ValueKind: JsonValueKind.Object } variables
            && variables.TryGetProperty("eos_token", out var eos) && eos.ValueKind == JsonValueKind.String
            ? [eos.GetString()!]
            : [];
    }

    private static string? Found(ChatTemplate template, ITextTokenizer tokenizer)
    {
        foreach (var probe in Probes)
        {
            try
            {
                var text = template.Render(new Conversation(probe), addGenerationPrompt: false, tokenizer);
                var at = text.LastIndexOf(Reply, StringComparison.Ordinal);
                if (at >= 0) return Closing(text.AsSpan(at + Reply.Length).TrimStart(), tokenizer.SpecialTokens);
            }
            catch (FormatException)
            {
                // It refuses this conversation: the next may do.
            }
        }

        return null;
    }

    // The last of the special tokens that follow the reply one upon the other: some templates close the answer and then the turn.
    private static string? Closing(ReadOnlySpan<char> rest, IReadOnlyCollection<string> tokens)
    {
        string? last = null;
        while (true)
        {
            string? next = null;
            foreach (var token in tokens)
            {
                if (token.Length > (next?.Length ?? 0) && rest.StartsWith(token)) next = token;
            }

            if (next is null) return last;
            last = next;
            rest = rest[next.Length..];
        }
    }
}
