using System.Globalization;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;

namespace Peft.Orleans.Data.Tests.Runs;

/// <summary>A template that asks for the time is told the one that the run records.</summary>
public sealed class ChatTimeTests : IDisposable
{
    private const string Dated = "{{ strftime_now('%d %b %Y') if strftime_now is defined }}{{ messages }}";

    private readonly TemporaryFolder folder = new();

    public ChatTimeTests() => folder.Write("config.json", """
        {"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20,
         "torch_dtype": "bfloat16"}
        """);

    [Fact]
    public void The_time_of_creation_is_recorded_and_holds()
    {
        folder.Write("chat_template.jinja", Dated);
        var before = TimeProvider.System.GetLocalNow().DateTime.AddSeconds(-1);
        var made = Resolve(Spec());
        var time = DateTime.ParseExact(made.ChatTime!, RunRules.ChatTimeForm, CultureInfo.InvariantCulture);
        Assert.InRange(time, before, TimeProvider.System.GetLocalNow().DateTime);

        // The run goes on another day.
        var recorded = Spec() with { Data = made with { ChatTime = "2024-07-26T00:00:00" } };
        Assert.Equal("2024-07-26T00:00:00", Resolve(Spec(), recorded).ChatTime);
        var own = Spec() with { Data = made with { ChatTime = "2025-01-01T00:00:00" } };
        Assert.Equal("2025-01-01T00:00:00", Resolve(own, recorded).ChatTime);
    }

    [Fact]
    public void Where_nobody_asks_nothing_is_recorded()
    {
        folder.Write("chat_template.jinja", "{{ messages }}");
        Assert.Null(Resolve(Spec()).ChatTime);
        folder.Write("chat_template.jinja", "{% broken");
        Assert.Null(Resolve(Spec()).ChatTime);
        folder.Write("chat_template.jinja", Dated);
        var spec = Spec();
        Assert.Null(Resolve(spec with { Data = spec.Data with { ChatTemplate = ChatTemplateNames.ChatMl } }).ChatTime);
        var plain = new DataSource { Path = "t", Format = DataFormat.Text };
        Assert.Null(Resolve(spec with { Data = spec.Data with { Train = plain } }).ChatTime);
    }

    public void Dispose() => folder.Dispose();

    private RunSpec Spec() => new()
    {
        Name = "a",
        Model = new ModelSpec { Path = folder.Path },
        Data = new DataSpec { Train = new DataSource { Path = "train.jsonl", Format = DataFormat.Messages } },
        Training = new TrainingSpec { Steps = 1 },
    };

    private DataSpec Resolve(RunSpec spec, RunSpec? recorded = null) =>
        RunResolver.Resolve(spec, ModelFolder.Open(folder.Path), threads: 1, recorded).Spec.Data;
}
