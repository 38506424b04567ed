using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.ChatTemplates;

/// <summary>
/// Real templates as transformers renders them, and what of each conversation is learned (<c>goldens/chat-templates-jinja</c>).
/// </summary>
public sealed class VectorsGoldenTests
{
    public static TheoryData<string> Templates =>
    [
        "alpaca", "chatml", "command_a", "deepseek_v2", "exaone4", "falcon_h1", "gemma", "gemma3", "llama3", "metharme", "mistral_v1",
        "mistral_v2v3", "mistral_v3_tekken", "mistral_v7_tekken", "nemotron_h", "phi_3", "phi_35", "phi_4", "qwen3", "qwen_25",
        "trl_gemma_training", "trl_qwen3_training",
    ];

    [Theory]
    [MemberData(nameof(Templates))]
    public void Renders_and_learns_as_the_reference_does(string name)
    {
        var folder = SharedFolder.Require("goldens/chat-templates-jinja");
        using var file = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "vectors.json")));
        var rows = file.RootElement.EnumerateArray().Where(row => row.GetProperty("template").GetString() == name).ToArray();
        Assert.NotEmpty(rows);
        Assert.All(rows, row => Check(Path.Combine(folder, "templates", name + ".jinja"), row));
    }

    [Fact]
    public void All_vectors_are_tested()
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("goldens/chat-templates-jinja/vectors.json")));
        var names = file.RootElement.EnumerateArray().Select(static row => row.GetProperty("template").GetString()!).Distinct();
        Assert.Equal(names.Order(StringComparer.Ordinal), Templates.Select(static row => row.Data).Order(StringComparer.Ordinal));
    }

    private static void Check(string path, JsonElement row)
    {
        var now = row.TryGetProperty("now", out var time) ? time.GetDateTime() : DateTime.UnixEpoch;
        var template = ChatTemplate.Select(path, modelFolder: null, new ChatSettings
        {
            EndOfTurn = [.. row.GetProperty("end_of_turn").EnumerateArray().Select(static text => text.GetString()!)],
            Clock = () => new DateTimeOffset(now, TimeSpan.Zero),
        });
        var messages = row.GetProperty("messages").EnumerateArray()
            .Select(static message => new ChatMessage(Role(message), null) { Fields = message });
        var conversation = new Conversation([.. messages])
        {
            Tools = row.TryGetProperty("tools", out var tools) ? tools : null,
            Variables = row.GetProperty("variables"),
        };
        var rendering = new ChatRendering(template, conversation, tokenizer: null);
        var open = row.GetProperty("add_generation_prompt").GetBoolean();
        if (row.TryGetProperty("error", out var error))
        {
            var failure = Assert.Throws<FormatException>(() => rendering.Text(conversation.Messages.Count, open));
            if (row.GetProperty("error_kind").GetString() == "raise_exception")
                Assert.Equal(error.GetString(), Assert.IsType<JinjaException>(failure.InnerException).Message);
            return;
        }

        var rendered = rendering.Text(conversation.Messages.Count, open);
        Assert.Equal(row.GetProperty("rendered").GetString(), rendered.Text);
        if (row.TryGetProperty("generation", out var marks)) Assert.Equal(Spans(marks), Points(rendered.Text, rendered.Generation));
        if (row.TryGetProperty("generation", out _)) return;
        var learned = LearnedText.ByPrompts(rendering, rendered, template.Settings.EndOfTurn!, open);
        var expected = row.GetProperty("learned");
        if (expected.ValueKind == JsonValueKind.Null) Assert.Equal(row.GetProperty("learned_reason").GetString(), learned.Reason);
        else Assert.Equal(Spans(expected), Points(rendered.Text, learned.Spans!));
    }

    private static string Role(JsonElement message) => message.GetProperty("role").GetString()!;

    private static IEnumerable<(int, int)> Spans(JsonElement spans) =>
        spans.EnumerateArray().Select(static span => (span[0].GetInt32(), span[1].GetInt32()));

    private static IEnumerable<(int, int)> Points(string text, IReadOnlyList<Range> spans) => spans.Select(span => (
        PythonText.Length(text.AsSpan(0, span.Start.Value)),
        PythonText.Length(text.AsSpan(0, span.End.Value))));
}
