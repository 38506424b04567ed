using System.Text.Json.Nodes;
using CsCheck;
using Peft.Orleans.Client.Commands;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Runs;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Client.Tests;

/// <summary>Progress, YAML, ranges.</summary>
public sealed class OutputTests
{
    private static readonly Gen<JsonNode?> Scalars = Gen.OneOf<JsonNode?>(
        Gen.String[Gen.Char["ab:#-'\"{}[],&*?|<>%@ \\\n\tλ0"], 0, 12].Select(static text => (JsonNode?)JsonValue.Create(text)),
        Gen.Int.Select(static number => (JsonNode?)JsonValue.Create(number)),
        Gen.Bool.Select(static flag => (JsonNode?)JsonValue.Create(flag)),
        Gen.Bool.Select(static _ => (JsonNode?)null));

    [Fact]
    public void Yaml_says_what_json_says() => Nodes(3).Sample(static node =>
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(YamlText.Write(node)));
        var json = new YamlStream();
        json.Load(new StringReader(node?.ToJsonString() ?? "null"));
        return yaml.Documents[0].RootNode.Equals(json.Documents[0].RootNode);
    });

    [Fact]
    public void Ranges_name_every_number_once() =>
        Gen.Int[0, 30]
            .Array.Select(static numbers => numbers.Distinct().Order().ToArray())
            .Sample(static numbers =>
            {
                var text = RunPlan.Ranges(numbers);
                if (numbers.Length == 0)
                    return text == "standby";
                var back = text.Split(", ")
                    .SelectMany(static part =>
                    {
                        var ends = part.Split('-').Select(int.Parse).ToArray();
                        return Enumerable.Range(ends[0], ends[^1] - ends[0] + 1);
                    });
                return back.SequenceEqual(numbers);
            });

    [Fact]
    public void Progress_has_bar_loss_speed_and_time_left()
    {
        var time = new ManualTime();
        using var errors = new StringWriter { NewLine = "\n" };
        var progress = new ProgressLine(new Terminal(TextWriter.Null, errors, animated: true, colored: false), time);
        progress.Show(Running(1));
        time.Advance(TimeSpan.FromSeconds(8));
        progress.Show(Running(5));
        Assert.Equal("step 5/20 ██████░░░░░░░░░░░░░░░░░░  loss 1.5000  1,234 tokens/s  0:30 left", progress.Text(Running(5)));
        Assert.Contains("\rstep 5/20", errors.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("\n", errors.ToString(), StringComparison.Ordinal);
        progress.End();
        Assert.EndsWith("\n", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Off_a_terminal_there_is_no_redrawing_and_few_lines()
    {
        using var errors = new StringWriter { NewLine = "\n" };
        var progress = new ProgressLine(new Terminal(TextWriter.Null, errors, animated: false, colored: false), new ManualTime());
        progress.Show(new RunStatus { RunId = "r", State = RunState.Starting, Message = "loading" });
        progress.Show(new RunStatus { RunId = "r", State = RunState.Starting, Message = "loading" });
        for (var step = 1; step <= 400; step++) progress.Show(Running(step) with { Steps = 400 });
        progress.Show(Running(400) with { Steps = 400, State = RunState.Paused, Message = "waiting for silos" });
        var lines = errors.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.DoesNotContain("\r", errors.ToString(), StringComparison.Ordinal);
        Assert.InRange(lines.Length, 20, 24);
        Assert.Equal("starting: loading", lines[0]);
        Assert.Contains("step 400/400", lines[^2], StringComparison.Ordinal);
        Assert.Contains("waiting for silos", lines[^1], StringComparison.Ordinal);
    }

    private static RunStatus Running(int step) =>
        new()
        {
            RunId = "r",
            State = RunState.Running,
            Step = step,
            Steps = 20,
            Loss = 1.5,
            TokensPerSecond = 1234,
        };

    private static Gen<JsonNode?> Nodes(int depth)
    {
        if (depth == 0) return Scalars;
        var inner = Nodes(depth - 1);
        var lists = inner
            .Array[0, 3]
            .Select(static items => (JsonNode?)new JsonArray([.. items.Select(static item => item?.DeepClone())]));
        var maps = inner
            .Array[0, 3]
            .Select(static items =>
                (JsonNode?)new JsonObject(items.Select(static (item, i) => KeyValuePair.Create("key" + i, item?.DeepClone())))
            );
        return Gen.OneOf(Scalars, lists, maps);
    }

    private sealed class ManualTime : TimeProvider
    {
        private long ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => ticks;

        public void Advance(TimeSpan by) => ticks += by.Ticks;
    }
}
