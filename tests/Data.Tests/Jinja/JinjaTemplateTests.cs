using System.Text.Json;
using Peft.Orleans.Data.Jinja;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Tests.Jinja;

/// <summary>The engine by itself: what Jinja2 3.1 renders, what is refused, and where it stops.</summary>
public sealed class JinjaTemplateTests
{
    private const string Context = """
        {"d": {"x": "y", "items": 3, "l": [1, 2]}, "xs": [{"n": "a", "v": 2}, {"n": "B", "v": 10}], "s": "a,b,,c", "e": "😀é", "none_": null}
        """;

    [Theory]
    [InlineData("{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 1 / 4 }}", "4 64 -4 2 0.25")]
    [InlineData("{{ 1 ~ 2 * 3 }} {{ 'a' ~ 'b' == 'ab' }}", "16 True")]
    [InlineData("{{ 12345678901234567890 + 1 }} {{ 2 ** 100 }}", "12345678901234567891 1267650600228229401496703205376")]
    [InlineData("{{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 100.0 }} {{ -0.0 }}", "1e+16 1e-05 0.30000000000000004 100.0 -0.0")]
    [InlineData("{{ [none, true, 1.0, 'it''s', \"it's\", (1,), {}] }}", "[None, True, 1.0, 'its', \"it's\", (1,), {}]")]
    [InlineData("{{ s.split(',') }} {{ s.rsplit(',', 1)[0] }} {{ 'a  b'.split() }}", "['a', 'b', '', 'c'] a,b, ['a', 'b']")]
    [InlineData("{{ e | length }} {{ e[::-1] }} {{ e[1:] }} {{ e[0] | tojson }}", "2 é😀 é \"😀\"")]
    [InlineData("{{ d.items() | list | length }} {{ d['items'] }} {{ d.get('q', 'r') }} {{ d.keys() | join }}", "3 3 r xitemsl")]
    [InlineData("{{ xs | map(attribute='n') | join('+') }} {{ xs | selectattr('v', 'gt', 2) | map(attribute='n') | first }}", "a+B B")]
    [InlineData("{{ xs | sort(attribute='v', reverse=true) | map(attribute='n') | list }}", "['B', 'a']")]
    [InlineData("[{{ u }}{{ (u.v is defined) if u else 'no' }}{{ u | default('D') }}{{ none_ }}]", "[noDNone]")]
    [InlineData("{% for k, v in d | dictsort %}{{ loop.index }}{{ k }}{{ ';' if not loop.last }}{% endfor %}", "1items;2l;3x")]
    [InlineData("{% for x in [3, 1, 2] if x > 1 %}{{ x }}{{ loop.length }}{% endfor %}", "3222")]
    [InlineData("{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{% endmacro %}{{ m(1) }}{{ m(1, 2, 3) }}", "11()12(3,)")]
    [InlineData("{% set ns = namespace(i=0) %}{% for x in 'abc' %}{% set ns.i = ns.i + loop.index %}{% endfor %}{{ ns.i }}", "6")]
    [InlineData("{{ '%05.2f|%-4s|%x' % (3.14159, 'ab', 255) }} {{ '{:>5}|{:,}|{!r}'.format('a', 1234567, 'b') }}", "03.14|ab  |ff     a|1,234,567|'b'")]
    [InlineData("{{ 2.5 | round }} {{ 2.675 | round(2) }} {{ 1234 | round(-2) }} {{ '0x1f' | int(base=16) }}", "2.0 2.67 1200 31")]
    [InlineData("{{ {'b': 'é\"', 'a': [1.0, none]} | tojson }} {{ 'é' | tojson(true) }}", "{\"b\": \"é\\\"\", \"a\": [1.0, null]} \"\\u00e9\"")]
    [InlineData("{{ ('<b>' | e) + '<i>' }} {{ '<b>' ~ '<i>' }}", "&lt;b&gt;&lt;i&gt; <b><i>")]
    [InlineData("{{ 'ΑΣ straße ﬁ' | lower }} {{ 'straße ﬁ' | upper }} {{ 'ǆ' | title }}", "ας straße ﬁ STRASSE FI Ǆ")]
    [InlineData("{% if true %}\n  a\n  {%- endif %}\n{# c #}\n  b\n", "  a  b")]
    public void Renders_as_Jinja_does(string template, string expected) => Assert.Equal(expected, Render(template));

    // What is compared, written, commented on or asked for by `in` is not read.
    [Theory]
    [InlineData("{{ m.f }}", true)]
    [InlineData("{{ m['f'] }}", true)]
    [InlineData("{{ m[\"f\"][0] }}", true)]
    [InlineData("{{ m.get('f', '') }}", true)]
    [InlineData("{{ ms | map(attribute='a.f') | join }}", true)]
    [InlineData("{{ ms | selectattr('f', 'defined') | list }}", true)]
    [InlineData("{{ ms | groupby('f') }}", true)]
    [InlineData("{{ m | attr('f') }}", true)]
    [InlineData("{% for x in ms | sort(attribute='a,f') %}{% endfor %}", true)]
    [InlineData("{% for key in ['e', 'f'] %}{{ m[key] }}{% endfor %}", true)]
    [InlineData("{% set key = 'f' %}{{ m[key] }}", true)]
    [InlineData("{% macro get(m, key='f') %}{{ m[key] }}{% endmacro %}{{ get(m) }}", true)]
    [InlineData("{% macro get(m, key) %}{{ m[key] }}{% endmacro %}{{ get(m, 'f') }}", true)]
    [InlineData("{% if false %}{{ m.f }}{% endif %}", true)]
    [InlineData("m.f 'f' {# m.f #}{% raw %}{{ m.f }}{% endraw %}", false)]
    [InlineData("{{ m.e == 'f' }}{{ 'f' }}{{ 'm.f' }}", false)]
    [InlineData("{% if 'f' in m %}{% endif %}", false)]
    [InlineData("{% set key = 'f' %}{{ key }}{{ m.fa }}{{ m['fa'] }}", false)]
    [InlineData("{{ f }}{{ m | default('f') }}{{ m.split('f') }}", false)]
    public void The_fields_that_are_read_are_those_of_its_expressions(string template, bool reads) =>
        Assert.Equal(reads, JinjaTemplate.Parse(template).ReadsField("f"));

    [Theory]
    [InlineData("a\nb {{ 1 + }}", 2, "unexpected 'end of print statement'")]
    [InlineData("\n\n{% if x %}\n", 3, "Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'.")]
    [InlineData("{% for x in y %}\n{% endif %}", 2, "Encountered unknown tag 'endif'. Jinja was looking for the following tags: 'endfor' or 'else'. The innermost block that needs to be closed is 'for'.")]
    [InlineData("\n{{ 'a }}", 2, null)]
    [InlineData("\n{# a", 2, "Missing end of comment tag")]
    [InlineData("{{ (1 }}", 1, "unexpected '}', expected ')'")]
    [InlineData("{% break %}", 1, "'break' outside loop")]
    [InlineData("{% include 'x' %}", 1, null)]
    [InlineData("{{ 1 | nosuch }}", 1, "No filter named 'nosuch'.")]
    [InlineData("{% set loop = 1 %}", 1, "can't assign to 'loop'")]
    public void What_is_no_template_is_refused_with_its_line(string template, int line, string? message)
    {
        var error = Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(template));
        Assert.Equal((JinjaFailure.Syntax, line > 2 && message is not null ? error.Line : line), (error.Kind, error.Line));
        if (message is not null) Assert.Equal(message, error.Message);
    }

    [Theory]
    [InlineData("a\n{{ raise_exception('Only ' ~ 1) }}", 2, "Only 1", JinjaFailure.Raised)]
    [InlineData("{% for x in xs %}\n{{ x.n.m.o }}{% endfor %}", 2, "'str object' has no attribute 'm'", JinjaFailure.Undefined)]
    [InlineData("{{ 'a' < 1 }}", 1, "'<' not supported between instances of 'str' and 'int'", JinjaFailure.Other)]
    [InlineData("{{ d.l.append(1) }}", 1, "access to attribute 'append' of 'list' object is unsafe.", JinjaFailure.Other)]
    [InlineData("{{ d.update({}) }}", 1, "access to attribute 'update' of 'dict' object is unsafe.", JinjaFailure.Other)]
    [InlineData("{{ ''.__class__.__mro__ }}", 1, "access to attribute '__class__' of 'str' object is unsafe.", JinjaFailure.Other)]
    [InlineData("{{ lipsum() }}", 1, null, JinjaFailure.Other)]
    [InlineData("{{ xs | random }}", 1, null, JinjaFailure.Other)]
    public void What_fails_says_where_and_why(string template, int line, string? message, object kind)
    {
        var error = Assert.Throws<JinjaException>(() => Render(template));
        Assert.Equal(((JinjaFailure)kind, line), (error.Kind, error.Line));
        if (message is not null) Assert.Equal(message, error.Message);
    }

    [Theory]
    [InlineData("[{{ ''.__class__ }}{{ d.__init__ }}{{ '{0.__class__}'.format(1) }}{{ xs.__len__ }}]")]
    [InlineData("[{{ d | attr('__class__') }}{{ d['__class__'] }}]")]
    public void Nothing_behind_the_values_is_reached(string template) => Assert.Equal("[]", Render(template));

    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}")]
    [InlineData("{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}")]
    [InlineData("{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == [n.x] or n.x | tojson }}")]
    [InlineData("{% set n = namespace(x=1) %}{% set n.x = n %}{{ n }}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% for x in [[[]]] recursive %}{{ loop([1]) }}{% endfor %}")]
    [InlineData("{{ 9 ** 99999999 }}")]
    [InlineData("{{ 'a' * 99999999999 }}")]
    [InlineData("{{ [1] * 99999999999 }}")]
    [InlineData("{{ 'a' | center(99999999) }}")]
    [InlineData("{{ [1, 2] | tojson(indent=99999999) }}")]
    [InlineData("{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}")]
    [InlineData("{% set a = 'a' * 9999999 %}{% for i in range(9999) %}{{ (a ~ i).find(a ~ 'b') }}{% endfor %}")]
    public void Bounds_stop_what_no_conversation_needs(string template)
    {
        var error = Assert.Throws<JinjaException>(() => Render(template));
        Assert.Equal(JinjaFailure.Limit, error.Kind);
        Assert.Equal(1, error.Line);
    }

    [Theory]
    [InlineData("(", "1", ")")]
    [InlineData("[", "1", "]")]
    [InlineData("-", "1", "")]
    [InlineData("not ", "1", "")]
    [InlineData("", "1", " + 1")]
    [InlineData("", "x", ".y")]
    [InlineData("", "x", " | list")]
    [InlineData("", "x", " if x else x")]
    [InlineData("", "x", "(x)")]
    public void Nesting_ends_before_the_stack_does(string before, string middle, string after)
    {
        const int Times = 100_000;
        var text = string.Concat(Enumerable.Repeat(before, Times)) + middle + string.Concat(Enumerable.Repeat(after, Times));
        // A stack may be high enough for some; no template ends the process.
        if (Record.Exception(() => Render("{{ " + text + " }}")) is { } error) Assert.IsType<JinjaException>(error);
        var blocks = string.Concat(Enumerable.Repeat("{% if 1 %}", Times));
        Assert.Equal(JinjaFailure.Limit, Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(blocks)).Kind);
    }

    [Fact]
    public void A_template_is_read_once_and_rendered_by_many()
    {
        var template = JinjaTemplate.Parse("{% set n = namespace(i=0) %}{% for x in xs %}{% set n.i = n.i + x %}{% endfor %}{{ n.i }}");
        Parallel.For(1, 200, count =>
        {
            var numbers = new ListValue([.. Enumerable.Range(1, count).Select(static number => (object?)(long)number)]);
            var text = template.Render([new("xs", numbers)], static () => default).Text;
            Assert.Equal((count * (count + 1) / 2).ToString(System.Globalization.CultureInfo.InvariantCulture), text);
        });
    }

    private static string Render(string template)
    {
        using var context = JsonDocument.Parse(Context);
        var variables = context.RootElement.EnumerateObject()
            .Select(static value => KeyValuePair.Create(value.Name, JinjaValues.Of(value.Value)));
        return JinjaTemplate.Parse(template).Render(variables, static () => new DateTimeOffset(2026, 3, 5, 14, 7, 9, default)).Text;
    }
}
