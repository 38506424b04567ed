using System.Collections.Concurrent;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>Renders conversations and says which tokens are assistants' replies.</summary>
public abstract class ChatTemplate
{
    private const string RunFileRemedy = "set data.chat_template to chatml or llama3, or use format completion";

    // Headers and openings repeat in every conversation of a data set.
    private readonly ConcurrentDictionary<(ITextTokenizer, string), int[]> repeated = [];

    /// <summary>Its name in the run file.</summary>
    public abstract string Name { get; }

    /// <summary>The special token that begins every turn.</summary>
    protected abstract string TurnStart { get; }

    /// <summary>The special token that ends every turn, and with it a generated reply.</summary>
    public abstract string TurnEnd { get; }

    /// <summary>The template as other programs read it (Jinja, under <c>chat_template</c> in tokenizer_config.json).</summary>
    public abstract string Jinja { get; }

    /// <summary>What comes before the first turn.</summary>
    protected virtual string Opening(IReadOnlyList<ChatMessage> messages) => "";

    /// <summary>What asks the model for a reply.</summary>
    protected abstract string GenerationPrompt { get; }

    /// <summary>A turn.</summary>
    protected abstract RenderedTurn Turn(ChatMessage message);

    /// <summary>The template a run file names; <c>model</c> stands for the one of the model's folder.</summary>
    /// <param name="name">Which.</param>
    /// <param name="modelFolder">The model.</param>
    /// <param name="remedy">What to do where the model's is none we know, in the words of who asks.</param>
    /// <exception cref="PeftException">The model has no template, or one we do not know.</exception>
    public static ChatTemplate Select(ChatTemplateName name, string modelFolder, string remedy = RunFileRemedy) => name switch
    {
        ChatTemplateName.ChatMl => new ChatMlTemplate(systemPrompt: null),
        ChatTemplateName.Llama3 => new Llama3Template(),
        _ => ChatTemplateRecognition.Recognise(TokenizerConfig.Read(modelFolder), remedy),
    };

    /// <summary>A conversation as text.</summary>
    /// <param name="messages">The turns.</param>
    /// <param name="addGenerationPrompt">Whether the text ends where the model's reply begins.</param>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) =>
        Opening(messages) + string.Concat(messages.Select(message => Turn(message).Text)) + (addGenerationPrompt ? GenerationPrompt : "");

    /// <summary>A conversation as token ids.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="conversation">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether the ids end where the model's reply begins.</param>
    /// <exception cref="PeftException">The tokenizer lacks the template's special tokens.</exception>
    public RenderedChat Encode(ITextTokenizer tokenizer, Conversation conversation, bool addGenerationPrompt)
    {
        var messages = conversation.Messages;
        RequireToken(tokenizer, TurnStart);
        var end = RequireToken(tokenizer, TurnEnd);
        var ids = new List<int>(EncodeRepeated(tokenizer, Opening(messages)));
        var learned = new List<Range>();
        foreach (var message in messages)
        {
            // A turn begins with a special token, so that turns can be encoded one by one.
            var turn = Turn(message);
            var encoded = tokenizer.EncodeWithSpecials(turn.Text);
            if (turn.Learned)
            {
                // A token that reaches from the header into the reply is learned.
                var first = encoded.AsSpan().CommonPrefixLength(EncodeRepeated(tokenizer, turn.Header));
                var last = Array.LastIndexOf(encoded, end);
                learned.Add((ids.Count + first)..(ids.Count + last + 1));
            }

            ids.AddRange(encoded);
        }

        if (addGenerationPrompt) ids.AddRange(tokenizer.EncodeWithSpecials(GenerationPrompt));
        return new RenderedChat([.. ids], learned);
    }

    private int RequireToken(ITextTokenizer tokenizer, string token) => tokenizer.SpecialId(token)
        ?? throw new PeftException(
            $"the tokenizer has no special token {token}, which the chat template {Name} needs; "
            + "choose another template, or text without one");

    private int[] EncodeRepeated(ITextTokenizer tokenizer, string text) =>
        repeated.GetOrAdd((tokenizer, text), static key => key.Item1.EncodeWithSpecials(key.Item2));
}

/// <summary>A conversation as token ids.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="Learned">The assistant's replies, each with its end-of-turn token.</param>
public sealed record RenderedChat(int[] Ids, IReadOnlyList<Range> Learned);
