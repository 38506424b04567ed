using System.Text;
using System.Text.Json;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Jinja;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Fuzz;

/// <summary>Chat templates.</summary>
internal sealed class TemplateTarget : FuzzTarget
{
    private static readonly string[] Templates =
    [
        BuiltInTemplates.ChatMl,
        BuiltInTemplates.Llama3,
        BuiltInTemplates.Vicuna,
        """
        {%- macro shown(v, depth=0) -%}{% if v is mapping %}{% for k, x in v.items() %}{{ k }}: {{ shown(x, depth + 1) }}{% endfor %}
        {%- else %}{{ v | string | replace('a', 'b') | trim | upper }}{% endif %}{%- endmacro -%}
        {% set ns = namespace(last=-1) %}{% for m in messages[::-1] if m.role != 'tool' %}{% set ns.last = loop.index0 ** 2 %}
        {{ m | tojson(indent=2) }}{{ '%s %05.1f' % ('A', 2.5) }}{{ shown(m) * 3 }}{% endfor %}{{ range(9) | map('string') | join(', ') }}
        """,
    ];

    private static readonly string[] Words =
    [
        "{{", "}}", "{%", "%}", "if", "else", "endif", "for", "in", "endfor", "set", "macro", "endmacro", "loop", "not", "is", "|", ".", "(",
        ")", "[", "]", "'", "\"", "\\", "*", "**", "//", "%", "~", ":", ",", "=", "1e999", "99999999999999999999", "range(99999999)",
        "* 'a' * 99999999", "** 99999999", "recursive", "\ud800", "\0", "raw", "messages", "__class__", "tojson", "batch(0)", "slice(0)",
        "center(99999999)", "indent(99999999)", "'%99999999d' % 1", "'{:99999999}'.format(1)", "[[0] * 9999] * 9999", "namespace()",
    ];

    internal override Gen<byte[]> Inputs
    {
        get
        {
            var changed = Gen.Select(Gen.Int[0, Templates.Length - 1], Gen.Int[0, 4000], Gen.Int[0, Words.Length - 1], Gen.Int[0, 12])
                .Select(static (template, place, word, without) =>
                {
                    var text = Templates[template];
                    var at = place % text.Length;
                    return Encoding.UTF8.GetBytes(text[..at] + Words[word] + text[Math.Min(text.Length, at + without)..]);
                });
            var twice = changed.SelectMany(text => Damage.OfBytes(text));
            var bytes = Gen.Int[0, Templates.Length - 1]
                .SelectMany(template => Damage.OfBytes(Encoding.UTF8.GetBytes(Templates[template])));
            return Gen.Frequency((3, changed), (1, twice), (1, bytes));
        }
    }

    internal override bool Read(byte[] input)
    {
        using var messages = JsonDocument.Parse(
            """[{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": null, "tools": [1, {"k": 2.5}]}]""");
        try
        {
            JinjaTemplate.Parse(Encoding.UTF8.GetString(input)).Render(
                [
                    new("messages", JinjaValues.Of(messages.RootElement)),
                    new("add_generation_prompt", true),
                    new("bos_token", "<s>"),
                    new("eos_token", "</s>"),
                ],
                static () => DateTimeOffset.UnixEpoch);
            return true;
        }
        catch (JinjaException)
        {
            return false;
        }
    }
}

/// <summary>Run files.</summary>
internal sealed class RunFileTarget : FuzzTarget
{
    private const string Valid = """
        name: gsm8k-hybrid
        seed: 17
        model: { path: models/x, dtype: bfloat16 }
        data:
          train: [{ path: a.jsonl, format: messages, weight: 2 }, { path: b.jsonl, format: alpaca, weight: 1 }]
          validation: { fraction: 0.05 }
          max_length: 1024
          end_of_turn: ["<|im_end|>"]
        method:
          name: hybrid
          target_modules: [q_proj, v_proj]
          lora: { rank: 16, alpha: 32 }
          boft: { block_size: 8, butterfly_factors: 3 }
          lambda: { granularity: layer, min: 0.01, max: 0.99 }
        training:
          steps: 200
          global_batch: 16
          microbatch: 1
          optimizer: { name: adamw, learning_rate: 1.0e-4, betas: [0.9, 0.999] }
          schedule: { name: cosine, warmup_steps: 0 }
        snapshots: { every: 50, keep: 3 }
        elastic: { min_silos: 1, max_silos: 64 }
        output: runs
        """;

    internal override Gen<byte[]> Inputs => Damage.OfYaml(Valid);

    internal override bool Read(byte[] input)
    {
        try
        {
            RunFile.Parse(Encoding.UTF8.GetString(input));
            return true;
        }
        catch (PeftException)
        {
            return false;
        }
    }
}
