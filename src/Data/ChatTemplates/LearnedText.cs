using Peft.Orleans.Data.Jinja;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A rendered conversation, and what of it is an assistant's.</summary>
/// <param name="Text">The text.</param>
/// <param name="Spans">What is learned, in UTF-16 units, in order; null: no rule tells.</param>
/// <param name="Reason">Why none does.</param>
/// <param name="Remedy">What to do about it, in words of the run file.</param>
internal sealed record LearnedText(string Text, IReadOnlyList<Range>? Spans, string? Reason, string? Remedy)
{
    private const string LearnAll = "data.mask_prompt: false learns everything";
    private const string Split = "set data.multi_turn: split, which makes a sample of each reply; or " + LearnAll;

    /// <summary>
    /// A whole conversation: of each reply what the model would write, from the end of its prompt to its end of turn; or what the template
    /// marks.
    /// </summary>
    /// <param name="rendering">The conversation.</param>
    /// <param name="closings">Texts that close a reply.</param>
    /// <param name="addGenerationPrompt">Whether the text ends where a further reply begins.</param>
    /// <exception cref="FormatException">The template refuses it, or fails on it.</exception>
    public static LearnedText OfWhole(ChatRendering rendering, IReadOnlyList<string> closings, bool addGenerationPrompt = false)
    {
        var whole = rendering.Text(rendering.Conversation.Messages.Count, addGenerationPrompt);
        return Marked(whole) ?? ByPrompts(rendering, whole, closings, addGenerationPrompt);
    }

    /// <summary>The same by the rule of prompts and ends alone.</summary>
    /// <param name="rendering">The conversation.</param>
    /// <param name="whole">All of it.</param>
    /// <param name="closings">Texts that close a reply.</param>
    /// <param name="open">Whether the whole ends with the prompt of a further reply.</param>
    public static LearnedText ByPrompts(ChatRendering rendering, JinjaText whole, IReadOnlyList<string> closings, bool open)
    {
        var messages = rendering.Conversation.Messages;
        var spans = new List<Range>();
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != ChatMessage.Assistant) continue;
            var same = i + 1 == messages.Count && !open ? whole : null;
            if (Reply(rendering, i, same, closings, out var after, out var refusal) is not { } span)
                return new(whole.Text, null, refusal.Reason, refusal.Remedy);
            if (!whole.Text.AsSpan().StartsWith(after.AsSpan(0, span.End.Value)))
                return new(whole.Text, null, $"message {i}: the whole rendering writes it, or what is before it, differently", Split);
            spans.Add(span);
        }

        return new(whole.Text, spans, null, null);
    }

    /// <summary>One reply, with what is before it as the model would see it.</summary>
    /// <param name="rendering">The conversation.</param>
    /// <param name="index">The reply's place in it.</param>
    /// <param name="closings">Texts that close a reply.</param>
    /// <exception cref="FormatException">The template refuses it, or fails on it.</exception>
    public static LearnedText OfReply(ChatRendering rendering, int index, IReadOnlyList<string> closings)
    {
        var until = rendering.Text(index + 1, addGenerationPrompt: false);
        if (Marked(until) is { } marked)
        {
            // What the reply adds to the marks of what is before it.
            var before = index == 0 ? 0 : rendering.Text(index, addGenerationPrompt: false).Generation.Count;
            return marked with { Spans = marked.Spans is { } spans ? [.. spans.Skip(before)] : null };
        }

        return Reply(rendering, index, until, closings, out _, out var refusal) is { } span
            ? new(until.Text, [span], null, null)
            : new(until.Text, null, refusal.Reason, refusal.Remedy);
    }

    private static LearnedText? Marked(JinjaText rendered)
    {
        if (rendered.MisplacedGeneration)
            return new(rendered.Text, null, "the template marks {% generation %} within a macro, where its place is not known", LearnAll);
        return rendered.Generation.Count > 0 ? new(rendered.Text, rendered.Generation, null, null) : null;
    }

    private static Range? Reply(
        ChatRendering rendering,
        int index,
        JinjaText? until,
        IReadOnlyList<string> closings,
        out string after,
        out (string Reason, string Remedy) refusal)
    {
        (after, refusal) = ("", default);
        string before;
        try
        {
            before = rendering.Text(index, addGenerationPrompt: true).Text;
            after = (until ?? rendering.Text(index + 1, addGenerationPrompt: false)).Text;
        }
        catch (FormatException error)
        {
            refusal = index == 0
                ? ("message 0: nothing before it", "begin the conversation with a user's message; or " + LearnAll)
                : ($"message {index}: the conversation up to it does not render", $"{error.Message}; {LearnAll}");
            return null;
        }

        if (!after.StartsWith(before, StringComparison.Ordinal))
        {
            refusal = ($"message {index}: the rendering with it does not start with the prompt before it", LearnAll);
            return null;
        }

        var end = -1;
        foreach (var closing in closings)
        {
            var at = after.LastIndexOf(closing, StringComparison.Ordinal);
            if (at >= before.Length) end = Math.Max(end, at + closing.Length);
        }

        if (end >= 0) return before.Length..end;
        var sought = closings.Count > 0 ? $" (looked for: {string.Join(", ", closings)})" : "";
        refusal = ($"message {index}: no end of turn closes it", $"name the text that does in data.end_of_turn{sought}; or {LearnAll}");
        return null;
    }
}
