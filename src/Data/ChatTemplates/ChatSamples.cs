using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>Makes samples of conversations: ids as a template renders them, labels of what an assistant says in them.</summary>
internal sealed class ChatSamples
{
    private readonly ITextTokenizer tokenizer;
    private readonly ChatTemplate template;
    private readonly DataSpec data;
    private readonly Lazy<IReadOnlyList<string>> closings;

    public ChatSamples(ITextTokenizer tokenizer, ChatTemplate template, DataSpec data)
    {
        this.tokenizer = tokenizer;
        this.template = template;
        this.data = data;
        closings = new Lazy<IReadOnlyList<string>>(() => EndOfTurn.Of(template, tokenizer));
    }

    /// <summary>The template of all conversations.</summary>
    public ChatTemplate Template => template;

    /// <summary>Refuses what shows before anything is rendered.</summary>
    /// <exception cref="FormatException">Nothing of it is to be learned.</exception>
    /// <exception cref="Core.PeftException">The tokenizer lacks the template's special tokens.</exception>
    public void Check(Conversation conversation)
    {
        var replies = conversation.Messages.Where(static message => message.Role == ChatMessage.Assistant);
        if (!replies.Any()) throw new FormatException("there is no assistant reply to learn");
        template.Require(tokenizer);
        if (data.MultiTurn == MultiTurn.Split && replies.All(static reply => reply.Learned == false))
            throw new FormatException("no assistant reply is to be learned; leave the line out");
    }

    /// <summary>The samples of a conversation: one, or with <c>data.multi_turn: split</c> one of each reply that is learned.</summary>
    /// <exception cref="FormatException">The template refuses it, or does not tell what of it is learned.</exception>
    /// <exception cref="Core.PeftException">The tokenizer lacks the template's special tokens.</exception>
    public IReadOnlyList<(int[] Ids, int[] Labels)> Of(Conversation conversation)
    {
        Check(conversation);
        var replies = conversation.Messages.Index().Where(static message => message.Item.Role == ChatMessage.Assistant).ToArray();
        var rendering = new ChatRendering(template, conversation, tokenizer);
        if (data.MultiTurn == MultiTurn.Whole) return [Whole(rendering, [.. replies.Select(static reply => reply.Item)])];
        return [.. replies.Where(static reply => reply.Item.Learned != false).Select(reply => Reply(rendering, reply.Index))];
    }

    private (int[] Ids, int[] Labels) Whole(ChatRendering rendering, ChatMessage[] replies)
    {
        var omits = Array.Exists(replies, static reply => reply.Learned == false);
        if (!data.MaskPrompt && !omits) return Everything(rendering, rendering.Conversation.Messages.Count);
        var text = LearnedText.OfWhole(rendering, closings.Value);
        var spans = Spans(text);
        if (omits && spans.Count != replies.Length)
            throw new FormatException(
                $"the template marks {spans.Count} spans for {replies.Length} replies, of which some are not to be learned; "
                    + "set data.multi_turn: split, which makes a sample of each that is"
            );
        var chat = RenderedChat.Encode(tokenizer, text.Text, spans);
        var labels = (int[])chat.Ids.Clone();
        if (data.MaskPrompt) Array.Fill(labels, Microbatch.Masked);
        foreach (var (i, span) in chat.Learned.Index())
        {
            if (omits && replies[i].Learned == false) labels.AsSpan(span).Fill(Microbatch.Masked);
            else chat.Ids.AsSpan(span).CopyTo(labels.AsSpan(span));
        }

        return (chat.Ids, labels);
    }

    private (int[] Ids, int[] Labels) Reply(ChatRendering rendering, int index)
    {
        if (!data.MaskPrompt) return Everything(rendering, index + 1);
        var text = LearnedText.OfReply(rendering, index, closings.Value);
        var chat = RenderedChat.Encode(tokenizer, text.Text, Spans(text));
        var labels = new int[chat.Ids.Length];
        Array.Fill(labels, Microbatch.Masked);
        foreach (var span in chat.Learned) chat.Ids.AsSpan(span).CopyTo(labels.AsSpan(span));
        return (chat.Ids, labels);
    }

    private (int[] Ids, int[] Labels) Everything(ChatRendering rendering, int count)
    {
        var ids = tokenizer.EncodeWithSpecials(rendering.Text(count, addGenerationPrompt: false).Text);
        return (ids, (int[])ids.Clone());
    }

    private static IReadOnlyList<Range> Spans(LearnedText text) => text.Spans
        ?? throw new FormatException($"no rule tells what is learned: {text.Reason}; {text.Remedy}");
}
