using System.Text.Json;
using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>
/// Variables that a conversation gives its template beside its messages (<c>chat_template_kwargs</c>, <c>enable_thinking</c> for one): as
/// transformers takes them, but none that would take the place of something else, and none that the template would not read.
/// </summary>
internal static class TemplateVariables
{
    /// <summary>The field that has them.</summary>
    public const string Field = "chat_template_kwargs";

    private static readonly string[] OfRendering = ["messages", "add_generation_prompt", "tools", "documents"];

    // Parameters of apply_chat_template, which transformers takes before they could come to be variables.
    private static readonly string[] OfTransformers =
    [
        "conversation", "chat_template", "continue_final_message", "tokenize", "padding", "truncation", "max_length", "return_tensors",
        "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs",
    ];

    /// <summary>Refuses variables by name.</summary>
    /// <param name="variables">An object.</param>
    /// <param name="template">The template that is given them.</param>
    /// <param name="hasTools">Whether the conversation has tools.</param>
    /// <exception cref="FormatException">One has another's place, or the template does not read it; names it.</exception>
    public static void Check(JsonElement variables, ChatTemplate template, bool hasTools)
    {
        foreach (var variable in variables.EnumerateObject())
        {
            if (Refusal(variable.Name) is { } reason) throw Refused(variable.Name, reason);
            if (variable.Value.ValueKind != JsonValueKind.Null && !template.ReadsVariable(variable.Name, hasTools))
                throw Refused(variable.Name, "which the chat template does not read, so it would change nothing; remove it");
        }
    }

    /// <summary>Why a conversation may not give a variable of this name; null: it may.</summary>
    public static string? Refusal(string name) =>
        OfRendering.Contains(name) ? "which is the conversation's own; name it beside the messages"
        : OfTransformers.Contains(name) ? "which is a parameter of transformers' apply_chat_template and no variable; remove it"
        : TokenizerConfig.NamedTokenKeys.Contains(name) ? "which is the tokenizer's token; change the tokenizer's files"
        : name == Globals.ClockName || Globals.Table.ContainsKey(name) ? "which is a function of all templates; give it another name"
        : null;

    private static FormatException Refused(string name, string reason) => new($"the field \"{Field}\" gives \"{name}\", {reason}");
}
