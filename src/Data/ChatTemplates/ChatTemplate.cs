using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Jinja;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A chat template, any that Hugging Face's models have. Safe to use from several threads.</summary>
public sealed class ChatTemplate
{
    private const string RunFileRemedy = "set data.chat_template to chatml, llama3, vicuna or a .jinja file, or use format completion";

    private readonly JinjaTemplate plain;
    private readonly JinjaTemplate? withTools;
    private readonly IReadOnlyDictionary<string, string> tokens;
    private readonly Lazy<bool> tellsTime;

    private ChatTemplate(string name, string text, string place, TokenizerConfig config, ChatSettings settings)
    {
        Name = name;
        Text = text;
        Place = place;
        Settings = settings;
        tokens = config.NamedTokens;
        plain = Read(text, place);
        withTools = name == ChatTemplateNames.Model && config.ToolTemplate is { } tools ? Read(tools, place + " (tool_use)") : null;
        tellsTime = new Lazy<bool>(() => plain.Reads("strftime_now") || withTools?.Reads("strftime_now") == true);
    }

    /// <summary>Its name in the run file, or the path of its file.</summary>
    public string Name { get; }

    /// <summary>The template as other programs read it: Jinja.</summary>
    public string Text { get; }

    /// <summary>Whether it asks for the time: what it renders is then another text each day.</summary>
    public bool TellsTime => tellsTime.Value;

    /// <summary>Where it comes from, for messages.</summary>
    internal string Place { get; }

    internal ChatSettings Settings { get; }

    /// <summary>The template a run file names: <c>model</c>, one of ours, or the path of a Jinja file.</summary>
    /// <param name="choice">Which.</param>
    /// <param name="modelFolder">The model, whose special tokens the template knows; null: none.</param>
    /// <param name="settings">What it is told beside conversations.</param>
    /// <param name="remedy">What to do where there is none, in the words of who asks.</param>
    /// <exception cref="PeftException">There is no such template, or it is not written as one is; with file and line.</exception>
    public static ChatTemplate Select(string choice, string? modelFolder, ChatSettings? settings = null, string remedy = RunFileRemedy)
    {
        var config = modelFolder is null ? TokenizerConfig.Empty : TokenizerConfig.Read(modelFolder);
        settings ??= new ChatSettings();
        if (BuiltInTemplates.Find(choice) is { } known)
            return new ChatTemplate(choice, known, $"chat template {choice}", config, settings);
        if (choice != ChatTemplateNames.Model)
        {
            var own = TokenizerConfig.ReadJinja(choice, "name a .jinja file, chatml, llama3 or vicuna");
            return new ChatTemplate(choice, own, choice, config, settings);
        }

        return config.ChatTemplate is { } text
            ? new ChatTemplate(choice, text, config.ChatTemplateFile, config, settings)
            : throw new PeftException($"{config.ChatTemplateFile}: there is no chat_template; {remedy}");
    }

    /// <summary>A conversation as text.</summary>
    /// <param name="conversation">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether the text ends where the model's reply begins.</param>
    /// <param name="tokenizer">Whose special tokens it knows where the model's files name none; null: no one's.</param>
    /// <exception cref="FormatException">The template refuses the conversation, or fails on it; says where and why.</exception>
    public string Render(Conversation conversation, bool addGenerationPrompt, ITextTokenizer? tokenizer = null) =>
        new ChatRendering(this, conversation, tokenizer).Text(conversation.Messages.Count, addGenerationPrompt).Text;

    /// <summary>A conversation as token ids, up to where the model's reply begins.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="conversation">The conversation.</param>
    /// <exception cref="PeftException">The tokenizer lacks the template's special tokens.</exception>
    /// <exception cref="FormatException">The template refuses the conversation, or fails on it; says where and why.</exception>
    public int[] EncodePrompt(ITextTokenizer tokenizer, Conversation conversation)
    {
        Require(tokenizer);
        return tokenizer.EncodeWithSpecials(Render(conversation, addGenerationPrompt: true, tokenizer));
    }

    /// <summary>Fails where a tokenizer lacks special tokens that one of our templates is made of.</summary>
    /// <exception cref="PeftException">It does; names the token.</exception>
    internal void Require(ITextTokenizer tokenizer)
    {
        foreach (var token in BuiltInTemplates.Tokens(Name))
        {
            if (tokenizer.SpecialId(token) is null)
                throw new PeftException(
                    $"the tokenizer has no special token {token}, which the chat template {Name} needs; "
                        + "choose another template, or text without one"
                );
        }
    }

    /// <summary>Renders values.</summary>
    /// <exception cref="JinjaException">The template fails.</exception>
    internal JinjaText Render(IEnumerable<KeyValuePair<string, object?>> variables, bool hasTools) =>
        Of(hasTools).Render(variables, Settings.Clock);

    /// <summary>Whether it reads a field of messages; what it does not read would be dropped.</summary>
    internal bool ReadsField(string name, bool hasTools) => Of(hasTools).ReadsField(name);

    /// <summary>Whether it reads a variable.</summary>
    internal bool ReadsVariable(string name, bool hasTools) => Of(hasTools).Reads(name);

    /// <summary>Whether it shows a model its tools.</summary>
    internal bool ReadsTools => (withTools ?? plain).Reads("tools");

    /// <summary>Special tokens as a template's variables.</summary>
    internal IReadOnlyDictionary<string, string> TokensWith(ITextTokenizer? tokenizer)
    {
        if (tokenizer is null || (tokens.ContainsKey("bos_token") && tokens.ContainsKey("eos_token"))) return tokens;
        var named = new Dictionary<string, string>(tokens);
        if (tokenizer.BosId is { } bos) named.TryAdd("bos_token", tokenizer.Decode([bos], skipSpecialTokens: false));
        if (tokenizer.EosId is { } eos) named.TryAdd("eos_token", tokenizer.Decode([eos], skipSpecialTokens: false));
        return named;
    }

    private JinjaTemplate Of(bool hasTools) => hasTools ? withTools ?? plain : plain;

    private static JinjaTemplate Read(string text, string place)
    {
        try
        {
            return JinjaTemplate.Parse(text);
        }
        catch (JinjaException error)
        {
            throw new PeftException($"{place}, line {error.Line} of the chat template: {error.Message}", error);
        }
    }
}
