using System.Text.Json;
using Peft.Orleans.Data.ChatTemplates;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>A message as OpenAI and Hugging Face write it: a text, parts of text, or tool calls alone.</summary>
internal static class ChatTurn
{
    /// <summary>What a template may render beside role and content.</summary>
    private static readonly string[] Beside = ["tool_calls", "tool_call_id", "name", "reasoning_content", "reasoning", "thinking"];

    /// <summary>A message; <see cref="LineFields.CheckTurn"/> has refused what the template does not render.</summary>
    /// <param name="turn">Its object.</param>
    /// <param name="number">Its number, from 1, for errors.</param>
    /// <param name="role">Its role.</param>
    /// <param name="renders">Whether the template reads a field.</param>
    public static ChatMessage Read(JsonElement turn, int number, string role, Func<string, bool> renders)
    {
        var more = Array.Exists(Beside, key => LineFields.Says(turn, key, out _));
        var given = turn.TryGetProperty("content", out var content) && content.ValueKind != JsonValueKind.Null;
        if (!given && LineFields.Says(turn, "tool_calls", out _)) return new ChatMessage(role, null) { Fields = turn };
        if (content.ValueKind != JsonValueKind.Array)
            return new ChatMessage(role, SampleFormat.Text(turn, "content")) { Fields = more ? turn : null };
        var text = Joined(content, number);
        if (renders("type")) return new ChatMessage(role, text) { Fields = turn };
        return more
            ? throw new FormatException(
                $"turn {number}: the chat template does not read parts, and there are other fields beside them; write \"content\" as a text"
            )
            : new ChatMessage(role, text);
    }

    private static string Joined(JsonElement parts, int number)
    {
        var texts = new List<string>();
        foreach (var part in parts.EnumerateArray())
        {
            var place = $"turn {number}: part {texts.Count + 1} of \"content\"";
            if (part.ValueKind != JsonValueKind.Object) throw new FormatException($"{place} is not an object {{\"type\", \"text\"}}");
            if (!part.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
                throw new FormatException($"{place} has no \"type\"");
            if (!type.ValueEquals("text"))
                throw new FormatException($"{place} is of type {type.GetString()}, and only text is learned; take such lines out");
            if (!part.TryGetProperty("text", out var text) || text.ValueKind != JsonValueKind.String)
                throw new FormatException($"{place} has no \"text\"");
            texts.Add(text.GetString()!);
        }

        return string.Concat(texts);
    }
}
