using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CsCheck;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Jinja;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Jinja;

/// <summary>Whatever a template's file holds: it renders a text, or is refused with a line; the process goes on, and soon.</summary>
public sealed partial class DamagedTemplatesTests
{
    private const string Rich = """
        {%- macro shown(value, depth=0) -%}
          {%- if value is mapping %}{ {%- for k, v in value.items() %}{{ k }}: {{ shown(v, depth + 1) }}{{ ', ' if not loop.last }}{% endfor -%} }
          {%- elif value is iterable and value is not string %}{{ value | map('string') | join('; ') | trim | upper }}
          {%- else %}{{ value ~ '' | replace('a', 'b') }}{% endif -%}
        {%- endmacro -%}
        {% set ns = namespace(last=-1, text='') %}
        {% for m in messages[::-1] if m.role != 'tool' %}{% set ns.last = loop.index0 %}{% set ns.text = ns.text ~ m['content'] %}
        {% if loop.index > 5 %}{% break %}{% endif %}{% else %}{{ raise_exception('nothing: ' + none | string) }}{% endfor %}
        {% for m in messages recursive %}{{ m.role | title }}: {% generation %}{{ m.content | default('-', true) | indent(2) }}{% endgeneration %}
        {% if m.replies %}{{ loop(m.replies) }}{% endif %}{% endfor %}
        {% call(x) shown({'tools': tools}) %}{{ x }}{% endcall %}{% filter lower %}{{ '%s %05.1f' % ('A', 2.5) }}{% endfilter %}
        {{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | tojson(indent=2) }}
        {{ (messages | length - 1) // 2 ** 2 }}{% raw %}{{ x }}{% endraw %}{{ strftime_now('%d %b %Y') }}{# end #}
        """;

    private static readonly string[] Words =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "-%}", "{%-", "if", "else", "endif", "for", "in", "endfor", "set", "endset", "macro", "endmacro",
        "loop", "not", "is", "|", ".", "(", ")", "[", "]", "{", "}", "'", "\"", "\\", "*", "**", "//", "%", "~", ":", ",", "=", "==", "1e999",
        "99999999999999999999", "0x", "1_", "range(99999)", "namespace()", "raise_exception", "generation", "endgeneration", "recursive",
        "\ud800", "é", "\0", "\n", "raw", "endraw", "messages", "* 'a' * 99999", "** 9", "__class__", "tojson", "batch(0)", "slice(0)",
    ];

    [Fact]
    public void They_render_or_are_refused()
    {
        string[] templates = [Rich, BuiltInTemplates.ChatMl, BuiltInTemplates.Llama3, BuiltInTemplates.Vicuna];
        var word = Gen.Select(Gen.Int[0, templates.Length - 1], Gen.Int[0, 9999], Gen.Int[0, Words.Length - 1], Gen.Int[0, 3])
            .Select((template, place, with, kind) => ChangeWord(templates[template], place, Words[with], kind));
        var bytes = Gen.Int[0, templates.Length - 1]
            .SelectMany(template => Damage.OfBytes(Encoding.UTF8.GetBytes(templates[template])))
            .Select(Encoding.UTF8.GetString);
        var twice = Gen.Select(word, Gen.Int[0, 9999], Gen.Int[0, Words.Length - 1], Gen.Int[0, 3])
            .Select(static (text, place, with, kind) => ChangeWord(text, place, Words[with], kind));
        Gen.OneOf(word, twice, bytes).Sample(Check, iter: 3_000);
    }

    private static void Check(string text)
    {
        using var messages = JsonDocument.Parse(
            """[{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": null, "replies": [{"role": "tool", "content": [1, {"k": 2.5}]}]}]""");
        try
        {
            JinjaTemplate.Parse(text).Render(
                [
                    new("messages", JinjaValues.Of(messages.RootElement)),
                    new("tools", null),
                    new("add_generation_prompt", true),
                    new("bos_token", "<s>"),
                    new("eos_token", "</s>"),
                ],
                static () => DateTimeOffset.UnixEpoch);
        }
        catch (JinjaException error)
        {
            Assert.True(error.Line > 0, error.Message);
            Assert.NotEmpty(error.Message);
        }
    }

    private static string ChangeWord(string text, int place, string with, int kind)
    {
        var words = Word().Matches(text);
        if (words.Count == 0) return with;
        var word = words[place % words.Count];
        return kind switch
        {
            0 => text.Remove(word.Index, word.Length),
            1 => text.Insert(word.Index, with),
            2 => text.Insert(word.Index, word.Value),
            _ => text.Remove(word.Index, word.Length).Insert(word.Index, with),
        };
    }

    [GeneratedRegex(@"\{[{%#]-?|-?[}%#]\}|\w+|[^\w\s]")]
    private static partial Regex Word();
}
