using System.Text.Json;
using Peft.Orleans.Data.Jinja;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Jinja;

/// <summary>Single constructs as Jinja2 renders them in the environment of transformers (<c>goldens/chat-templates-jinja</c>).</summary>
public sealed class ConstructsGoldenTests
{
    [Fact]
    public void Every_construct_renders_as_the_reference_does()
    {
        var rows = Rows();
        Assert.Equal(99, rows.Length);
        Assert.All(rows, static row => Check(row, row.GetProperty("template").GetString()!, row.GetProperty("context")));
    }

    [Fact]
    public void So_it_does_with_its_context_written_in_front()
    {
        using var nothing = JsonDocument.Parse("{}");
        var rows = Rows().Where(static row => row.TryGetProperty("standalone", out _)).ToArray();
        Assert.NotEmpty(rows);
        Assert.All(rows, row => Check(row, row.GetProperty("standalone").GetString()!, nothing.RootElement));
    }

    private static JsonElement[] Rows()
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("goldens/chat-templates-jinja/constructs.json")));
        return [.. file.RootElement.EnumerateArray().Select(static row => row.Clone())];
    }

    private static void Check(JsonElement row, string template, JsonElement context)
    {
        var now = row.TryGetProperty("now", out var time) ? time.GetDateTime() : DateTime.UnixEpoch;
        if (row.TryGetProperty("error", out var error))
        {
            var failure = Assert.Throws<JinjaException>(() => Render(template, context, now));
            Assert.Equal(error.GetString(), failure.Message);
            Assert.Equal(row.GetProperty("error_kind").GetString() == "raise_exception", failure.Kind == JinjaFailure.Raised);
            Assert.True(failure.Line > 0);
            return;
        }

        var made = Render(template, context, now);
        Assert.Equal(row.GetProperty("rendered").GetString(), made.Text);
        var marked = row.TryGetProperty("generation", out var spans)
            ? spans.EnumerateArray().Select(static span => (span[0].GetInt32(), span[1].GetInt32()))
            : [];
        Assert.Equal(marked, made.Generation.Select(span => (Points(made.Text, span.Start.Value), Points(made.Text, span.End.Value))));
    }

    private static int Points(string text, int units) => PythonText.Length(text.AsSpan(0, units));

    private static JinjaText Render(string template, JsonElement context, DateTime now) => JinjaTemplate.Parse(template).Render(
        context.EnumerateObject().Select(static value => KeyValuePair.Create(value.Name, JinjaValues.Of(value.Value))),
        () => new DateTimeOffset(now, TimeSpan.Zero));
}
