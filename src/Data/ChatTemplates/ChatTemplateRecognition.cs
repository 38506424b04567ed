using System.Text.RegularExpressions;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>
/// Recognises the templates we render by their whole text, blanks that render nothing aside: a template that differs in anything is
/// refused, because training on almost the right prompt is an error nobody sees.
/// </summary>
internal static partial class ChatTemplateRecognition
{
    // Stand-ins for blanks inside literals, where they count.
    private const char Newline = '⏎';
    private const char Space = '␣';

    // Marks by which templates we do not render are known to people.
    private static readonly (string Mark, string Name)[] Families =
    [
        ("Cutting Knowledge Date", "Llama 3.1 (with dates and tools)"),
        ("<|start_header_id|>", "a variant of Llama 3"),
        ("tools", "a template with tools"),
        ("<|im_start|>", "a variant of ChatML"),
        ("[INST]", "Llama 2 or Mistral"),
        ("<start_of_turn>", "Gemma"),
        ("<|assistant|>", "Zephyr or Phi"),
        ("USER:", "Vicuna"),
        ("### Instruction", "Alpaca"),
    ];

    /// <summary>The template that a model's folder names.</summary>
    /// <param name="config">What the folder says.</param>
    /// <param name="remedy">What to do where the template is none we know.</param>
    /// <exception cref="PeftException">There is no template, or one we do not render exactly.</exception>
    public static ChatTemplate Recognise(TokenizerConfig config, string remedy)
    {
        if (config.ChatTemplate is not { } template)
            throw new PeftException($"{config.ChatTemplateFile}: there is no chat_template; {remedy}");
        if (Find(template) is { } known) return known;
        var family = Array.Find(Families, family => template.Contains(family.Mark, StringComparison.Ordinal)).Name ?? "unknown";
        throw new PeftException(
            $"{config.ChatTemplateFile}: the model's chat template ({family}, beginning {Excerpt(template)}) "
            + $"is not one we render exactly (ChatML, Llama 3); {remedy}");
    }

    /// <summary>The template of a text; null: not one we render exactly.</summary>
    public static ChatTemplate? Find(string template)
    {
        var text = template.Replace("\\n", "\n", StringComparison.Ordinal).Replace('"', '\'');
        var literals = Literal().Replace(text, static literal => literal.Value.Replace('\n', Newline).Replace(' ', Space));
        var silent = Gap().Matches(literals).All(RendersNothing);
        var squeezed = Blanks()
            .Replace(literals, "")
            .Replace("{%-", "{%", StringComparison.Ordinal)
            .Replace("-%}", "%}", StringComparison.Ordinal)
            .Replace("{{-", "{{", StringComparison.Ordinal)
            .Replace("-}}", "}}", StringComparison.Ordinal)
            .Replace("message.role", "message['role']", StringComparison.Ordinal)
            .Replace("message.content", "message['content']", StringComparison.Ordinal);
        if (silent && ChatMl().IsMatch(squeezed))
        {
            var system = DefaultSystem().Match(text);
            return new ChatMlTemplate(system.Success ? system.Groups[1].Value : null);
        }

        return silent && Llama3().IsMatch(squeezed) ? new Llama3Template() : null;
    }

    // Templates are rendered with trim_blocks and lstrip_blocks: a line break after a block goes, and so does the indentation before one.
    private static bool RendersNothing(Match gap)
    {
        var (before, blanks, after) = (gap.Groups[1].Value, gap.Groups[2].Value, gap.Groups[3].Value);
        if (before[0] == '-' || after[^1] == '-') return true;
        if (before[^2] != '%' || blanks[0] != '\n') return false;
        return blanks.Length == 1 || (after[1] == '%' && blanks.AsSpan(1).IndexOfAnyExcept(' ', '\t') < 0);
    }

    private static string Excerpt(string template) =>
        "'" + Blanks().Replace(template.Length > 60 ? template[..60] + "…" : template, " ").Trim() + "'";

    [GeneratedRegex("'[^']*'")]
    private static partial Regex Literal();

    [GeneratedRegex(@"(.[%}]\})(\s+)(\{[%{].)", RegexOptions.Singleline)]
    private static partial Regex Gap();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex(
        @"^(\{%ifnotadd_generation_promptisdefined%\}\{%setadd_generation_prompt=false%\}\{%endif%\})?\{%formessageinmessages%\}"
        + @"(\{%ifloop\.firstandmessages\[0\]\['role'\]!='system'%\}\{\{'<\|im_start\|>system⏎[^'{}]*<\|im_end\|>⏎'\}\}\{%endif%\})?"
        + @"\{\{'<\|im_start\|>'\+message\['role'\]\+'⏎'\+message\['content'\]\+'<\|im_end\|>(⏎'|'\+'⏎')\}\}\{%endfor%\}"
        + @"\{%ifadd_generation_prompt%\}\{\{'<\|im_start\|>assistant⏎'\}\}\{%endif%\}$")]
    private static partial Regex ChatMl();

    [GeneratedRegex(@"'<\|im_start\|>system\n([^'{}]*)<\|im_end\|>\n'")]
    private static partial Regex DefaultSystem();

    [GeneratedRegex(
        @"^(\{%setloop_messages=messages%\})?\{%formessagein(loop_)?messages%\}"
            + @"\{%setcontent='<\|start_header_id\|>'\+message\['role'\]\+'<\|end_header_id\|>⏎⏎'"
            + @"\+message\['content'\]\|trim\+'<\|eot_id\|>'%\}"
            + @"\{%ifloop\.index0==0%\}\{%setcontent=bos_token\+content%\}\{%endif%\}\{\{content\}\}\{%endfor%\}"
            + @"(\{%ifadd_generation_prompt%\})?\{\{'<\|start_header_id\|>assistant<\|end_header_id\|>⏎⏎'\}\}(\{%endif%\})?$"
    )]
    private static partial Regex Llama3();
}
