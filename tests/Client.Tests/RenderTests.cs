using Peft.Orleans.Client.Output;
using Peft.Orleans.Data.Problems;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary><c>render</c>: what training sees, for people and for programs.</summary>
public sealed class RenderTests : IDisposable
{
    private const string Template =
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}{{ tools | tojson if tools }}{% if add_generation_prompt %}<assistant>{% endif %}{% if mood %}{{ mood.word }}{% endif %}";

    private readonly Workspace workspace = new();
    private readonly string template;
    private readonly string messages;

    public RenderTests()
    {
        template = workspace.Write("t.jinja", Template);
        messages = workspace.Write(
            "m.json",
            """[{"role": "user", "content": "H😀"}, {"role": "assistant", "content": "Yes"}, {"role": "user", "content": "Bye"}]"""
        );
    }

    [Fact]
    public async Task Json_tells_text_and_what_is_learned_in_code_points()
    {
        var result = await TestClient.Run(
            "render", "--template", template, "--messages", messages, "--end-of-turn", "<x>", "--end-of-turn", "<end>", "-o", "json");
        Assert.Equal((ExitCodes.Success, ""), (result.ExitCode, result.Errors));
        Assert.Equal("<user>H😀<end>\n<assistant>Yes<end>\n<user>Bye<end>\n", result.Json["text"]!.GetValue<string>());
        Assert.Equal("[[25,33]]", result.Json["learned"]!.ToJsonString());
        Assert.Null(result.Json["ids"]);
        Assert.Null(result.Json["reason"]);
    }

    [Fact]
    public async Task Where_no_rule_tells_the_reason_stands()
    {
        var result = await TestClient.Run("render", "--template", template, "--messages", messages, "-o", "json");
        Assert.Equal(ExitCodes.Success, result.ExitCode);
        Assert.True(result.Json.AsObject().ContainsKey("learned"));
        Assert.Null(result.Json["learned"]);
        Assert.Equal("message 1: no end of turn closes it", result.Json["reason"]!.GetValue<string>());
        var shown = await TestClient.Run("render", "--template", template, "--messages", messages);
        const string Note = "nothing is marked: message 1: no end of turn closes it\nnext: name the text that does";
        Assert.Contains(Note, shown.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_variables_and_the_prompt_come_from_the_command_line()
    {
        var result = await TestClient.Run(
            "render", "--template", template, "--messages", workspace.Write("o.json", """{"messages": [{"role": "user", "content": null}]}"""),
            "--tools", workspace.Write("tools.json", """[{"name": "t"}]"""),
            "--variables", workspace.Write("v.json", """{"mood": {"word": "!"}}"""), "--add-generation-prompt", "-o", "json");
        Assert.Equal("<user><end>\n[{\"name\": \"t\"}]<assistant>!", result.Json["text"]!.GetValue<string>());
        Assert.Equal("[]", result.Json["learned"]!.ToJsonString());
    }

    [Fact]
    public async Task Variables_stand_beside_the_messages_as_in_a_line_of_data()
    {
        var line = workspace.Write(
            "l.json", """{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": {"mood": {"word": "!"}}}""");
        var result = await TestClient.Run("render", "--template", template, "--messages", line, "-o", "json");
        Assert.Equal("<user>a<end>\n!", result.Json["text"]!.GetValue<string>());
        foreach (var (variables, reason) in new[]
            {
                ("""{"moods": 1}""", "gives \"moods\", which the chat template does not read"),
                ("""{"tools": []}""", "gives \"tools\", which is the conversation's own"),
                ("[]", "\"chat_template_kwargs\" is not an object"),
            })
        {
            workspace.Write("l.json", """{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": KWARGS}"""
                .Replace("KWARGS", variables, StringComparison.Ordinal));
            var refused = await TestClient.Run("render", "--template", template, "--messages", line);
            Assert.Equal(ExitCodes.Refused, refused.ExitCode);
            Assert.Contains(line, refused.Errors, StringComparison.Ordinal);
            Assert.Contains(reason, refused.Errors, StringComparison.Ordinal);
        }

        var own = workspace.Write("own.json", """{"add_generation_prompt": true}""");
        var twice = await TestClient.Run("render", "--template", template, "--messages", messages, "--variables", own);
        Assert.Equal(ExitCodes.Refused, twice.ExitCode);
        Assert.Contains("it is given by --add-generation-prompt", twice.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_brings_its_template_and_its_tokens()
    {
        ArithmeticProblems.WriteTokenizer(workspace.Path("model"));
        workspace.Write(
            "model/chat_template.jinja",
            "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}");
        var talk = workspace.Write("n.json", """[{"role": "user", "content": "1 + 1"}, {"role": "assistant", "content": "2"}]""");
        var result = await TestClient.Run("render", "--model", workspace.Path("model"), "--messages", talk, "-o", "json");
        Assert.Equal(ExitCodes.Success, result.ExitCode);
        Assert.StartsWith("1 + 12", result.Json["text"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(7, result.Json["ids"]!.AsArray().Count);
        Assert.Equal(5, result.Json["learned"]![0]![0]!.GetValue<int>());
        var shown = await TestClient.Run("render", "--model", workspace.Path("model"), "--messages", talk);
        Assert.Contains("1 + 1⟦2", shown.Output, StringComparison.Ordinal);
        Assert.Contains("1 span, 2 of 7 tokens", shown.Errors, StringComparison.Ordinal);
        Assert.Contains("next: peft-client start-run", shown.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_terminal_shows_colour_and_nothing_of_the_text_moves_it()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var talk = workspace.Write("c.json", """[{"role": "user", "content": "\u001b[2J"}, {"role": "assistant", "content": "a"}]""");
        await ClientApplication.Run(
            ["render", "--template", template, "--messages", talk, "--end-of-turn", "<end>"],
            new Terminal(output, TextWriter.Null, animated: false, colored: true));
        Assert.Equal("<user>␛[2J<end>\n<assistant>\u001b[1;32ma<end>\u001b[0m\n\n", output.ToString());
    }

    [Theory]
    [InlineData("{% for %}\n", "m.json", "t.jinja, line 1 of the chat template: ")]
    [InlineData("a\n{{ raise_exception('Only ' ~ messages | length) }}", "m.json", "m.json: the chat template refuses the conversation: Only 3 (")]
    [InlineData("{{ messages[0].content.x.y }}", "m.json", "line 1 of the chat template")]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "m.json", "steps")]
    [InlineData("x", "nowhere.json", "nowhere.json: file not found")]
    [InlineData("x", "t.jinja", "t.jinja: invalid JSON")]
    [InlineData("x", "roleless.json", "roleless.json: message 1 is not an object with the text \"role\"")]
    [InlineData("x", "empty.json", "empty.json: an object without \"messages\"")]
    public async Task What_is_wrong_is_refused_by_file_and_line(string text, string file, string message)
    {
        workspace.Write("t.jinja", text);
        workspace.Write("roleless.json", """[{"role": "user"}, {"content": "a"}]""");
        workspace.Write("empty.json", "{}");
        var result = await TestClient.Run("render", "--template", template, "--messages", workspace.Path(file), "-o", "json");
        Assert.Equal((ExitCodes.Refused, ""), (result.ExitCode, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_must_be_named()
    {
        var result = await TestClient.Run("render", "--messages", messages);
        Assert.Equal(ExitCodes.Refused, result.ExitCode);
        Assert.Contains("give --model DIR or --template FILE", result.Errors, StringComparison.Ordinal);
        result = await TestClient.Run("render", "--template", workspace.Path("no.jinja"), "--messages", messages);
        Assert.Equal(ExitCodes.Refused, result.ExitCode);
        Assert.Contains("no.jinja: file not found; name a .jinja file, chatml, llama3 or vicuna", result.Errors, StringComparison.Ordinal);
    }

    public void Dispose() => workspace.Dispose();
}
