using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>What is refused by the command line itself, and that help is there.</summary>
public sealed class CommandLineTests
{
    private static readonly string[] Commands =
        ["start-run", "resume", "watch", "stop", "get", "describe", "metrics", "logs", "silos", "generate", "score", "export", "make-problems", "doctor"];

    [Fact]
    public async Task Help_lists_every_command()
    {
        var help = await TestClient.Run("--help");
        Assert.Equal(ExitCodes.Success, help.ExitCode);
        foreach (var command in Commands) Assert.Contains("  " + command, help.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_command_has_help_of_its_own()
    {
        foreach (var command in Commands)
        {
            var help = await TestClient.Run(command, "--help");
            Assert.Equal(ExitCodes.Success, help.ExitCode);
            Assert.Contains("Usage:", help.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("fly", "fly")]
    [InlineData("start-run", "--file")]
    [InlineData("start-run -f x.yaml --local 0", "at least 1")]
    [InlineData("start-run -f x.yaml --local many", "many")]
    [InlineData("start-run -f x.yaml -o xml", "xml")]
    [InlineData("generate --model m", "exactly one of --prompt")]
    [InlineData("generate --model m --prompt a --chat b", "exactly one of --prompt")]
    [InlineData("generate --model m --prompt a --greedy --temperature 1", "--greedy excludes")]
    [InlineData("generate --model m --prompt a --temperature 0", "above 0")]
    [InlineData("generate --model m --prompt a --top-p 1.5", "at most 1")]
    [InlineData("generate --model m --prompt a --max-new-tokens 0", "at least 1")]
    [InlineData("generate --model m --prompt a --dtype int8", "int8")]
    [InlineData("export r --to d --as zip", "zip")]
    [InlineData("export r --to d --as merged --rank 4", "--rank belongs to --as lora")]
    [InlineData("export r --to d --as lora --dtype float32", "--dtype belongs to --as merged")]
    [InlineData("score --model m --input i", "--output")]
    [InlineData("make-problems --set sums --count 3 --to f", "sums")]
    [InlineData("make-problems --set shifted --count 0 --to f", "at least 1")]
    [InlineData("metrics", "")]
    [InlineData("get", "")]
    public async Task Bad_usage(string line, string message)
    {
        var outcome = await TestClient.Run(line.Split(' '));
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains(message, outcome.Errors, StringComparison.Ordinal);
        Assert.Contains("--help", outcome.Errors, StringComparison.Ordinal);
        Assert.Equal("", outcome.Output);
    }

    [Theory]
    [InlineData("metrics none-such")]
    [InlineData("describe run none-such")]
    [InlineData("watch none-such")]
    [InlineData("stop none-such")]
    [InlineData("resume none-such")]
    [InlineData("logs none-such")]
    [InlineData("silos none-such")]
    [InlineData("export none-such --to there --as adapter")]
    public async Task Unknown_run(string line)
    {
        var outcome = await TestClient.Run(line.Split(' '));
        Assert.Equal(ExitCodes.NotFound, outcome.ExitCode);
        Assert.Contains("no run none-such", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_silo_answers()
    {
        // Port 1 of this machine is nobody's.
        var outcome = await TestClient.Run("get", "runs", "--cluster", "127.0.0.1:1");
        Assert.Equal(ExitCodes.NoCluster, outcome.ExitCode);
        Assert.Contains("no silo answers at 127.0.0.1:1", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Local_and_cluster_exclude_each_other()
    {
        var outcome = await TestClient.Run("generate", "--model", "m", "--prompt", "a", "--local", "2", "--cluster", "host:1");
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains("exclude each other", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_ends_with_a_verdict()
    {
        var outcome = await TestClient.Run("doctor", "-o", "json");
        var data = System.Text.Json.Nodes.JsonNode.Parse(outcome.Output)!;
        var bad = data["findings"]!.AsArray().Where(static finding => finding!["state"]!.GetValue<string>() == "bad").ToArray();
        Assert.Equal(bad.Length == 0, data["fit"]!.GetValue<bool>());
        Assert.Equal(bad.Length == 0 ? ExitCodes.Success : ExitCodes.Unfit, outcome.ExitCode);
        Assert.All(bad, static finding => Assert.False(string.IsNullOrEmpty(finding!["remedy"]!.GetValue<string>())));
        Assert.Contains(data["findings"]!.AsArray(), static finding => finding!["name"]!.GetValue<string>() == "products");
        // Of the silo that was built beside these tests: whichever processor this is, it has answered.
        var kernel = data["findings"]!.AsArray().Single(static finding => finding!["name"]!.GetValue<string>() == "block kernel")!;
        Assert.Equal("ok", kernel["state"]!.GetValue<string>());
    }

    [Fact]
    public async Task Problems_are_written_and_repeat_with_the_seed()
    {
        using var workspace = new Workspace();
        foreach (var name in (string[])["a", "b"])
            Assert.Equal(0, (await TestClient.Run("make-problems", "--set", "shifted", "--count", "5", "--seed", "3", "--to", workspace.Path(name))).ExitCode);
        var lines = await File.ReadAllLinesAsync(workspace.Path("a"), TestContext.Current.CancellationToken);
        Assert.Equal(5, lines.Length);
        Assert.Equal(lines, await File.ReadAllLinesAsync(workspace.Path("b"), TestContext.Current.CancellationToken));
    }
}
