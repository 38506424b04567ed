using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>The chat templates that have a name in the run file.</summary>
internal static class BuiltInTemplates
{
    /// <summary>ChatML, without a default system prompt.</summary>
    public const string ChatMl = "{% for message in messages %}"
        + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    /// <summary>Llama 3's plain form: no dates, no tools, contents trimmed.</summary>
    public const string Llama3 = "{% for message in messages %}"
        + "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
        + " + message['content'] | trim + '<|eot_id|>' %}"
        + "{% if loop.index0 == 0 %}{% set content = '<|begin_of_text|>' + content %}{% endif %}{{ content }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

    /// <summary>Vicuna 1.1, as FastChat writes it: a system prompt, turns on one line, a reply ends with the end-of-text token.</summary>
    public const string Vicuna = "{% if messages and messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
        + "{% set messages = messages[1:] %}{% else %}{% set system = 'A chat between a curious user and an artificial intelligence"
        + " assistant. The assistant gives helpful, detailed, and polite answers to the user\\'s questions.' %}{% endif %}"
        + "{{ bos_token }}{{ system + ' ' }}{% for message in messages %}{% if message['role'] == 'user' %}"
        + "{{ 'USER: ' + message['content'] + ' ' }}{% elif message['role'] == 'assistant' %}"
        + "{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% else %}"
        + "{{ raise_exception('vicuna knows the roles system (first), user and assistant, not ' + message['role']) }}{% endif %}"
        + "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

    /// <summary>The text of a name; null: it is none of ours.</summary>
    public static string? Find(string name) => name switch
    {
        ChatTemplateNames.ChatMl => ChatMl,
        ChatTemplateNames.Llama3 => Llama3,
        ChatTemplateNames.Vicuna => Vicuna,
        _ => null,
    };

    /// <summary>Special tokens that a tokenizer must have, so that a template's marks are not spelled out in pieces.</summary>
    public static IReadOnlyList<string> Tokens(string name) => name switch
    {
        ChatTemplateNames.ChatMl => ["<|im_start|>", "<|im_end|>"],
        ChatTemplateNames.Llama3 => ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        _ => [],
    };
}
