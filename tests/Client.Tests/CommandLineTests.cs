using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>What is refused by the command line itself, and that help is there.</summary>
public sealed class CommandLineTests
{
    private static readonly string[] Commands =
    [
        "start-run",
        "resume",
        "watch",
        "stop",
        "get",
        "describe",
        "metrics",
        "logs",
        "silos",
        "generate",
        "score",
        "export",
        "make-problems",
        "doctor",
    ];

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
    [InlineData("strat-run -f run.yaml", "peft-client has no command strat-run; did you mean: peft-client start-run -f run.yaml")]
    [InlineData("fly", "peft-client has no command fly; there are start-run, resume,")]
    [InlineData("describe RUN", "peft-client describe has no command RUN; did you mean: peft-client describe run RUN")]
    [InlineData("describe", "peft-client describe: a command is missing; there is run")]
    [InlineData("get run", "peft-client get has no command run; did you mean: peft-client get runs")]
    [InlineData("get silos", "peft-client get has no command silos; there is runs")]
    public async Task A_command_that_does_not_exist_is_followed_by_what_may_have_been_meant(string line, string message)
    {
        var outcome = await TestClient.Run(line.Split(' '));
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.StartsWith("peft-client: " + message, outcome.Errors, StringComparison.Ordinal);
        // A line that says it and one that leads on.
        Assert.Equal(2, outcome.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Theory]
    [InlineData("start-run -f x.yaml --local two", "--local two: expected a number of silos of at least 1")]
    [InlineData("start-run -f x.yaml --local 1000000", "--local 1000000: expected a number of silos of at least 1 and at most 1024")]
    [InlineData("start-run -f x.yaml --local 1.5", "--local 1.5: expected a number of silos")]
    [InlineData("generate --model m --prompt a --max-new-tokens x", "--max-new-tokens x: expected an integer of at least 1")]
    [InlineData(
        "generate --model m --prompt a --max-new-tokens 99999999999",
        "--max-new-tokens 99999999999: expected an integer of at least 1")]
    [InlineData("generate --model m --prompt a --temperature warm", "--temperature warm: expected a number above 0")]
    [InlineData("generate --model m --prompt a --temperature NaN", "--temperature NaN: expected a number above 0")]
    [InlineData("generate --model m --prompt a --top-p all", "--top-p all: expected a number above 0 and of at most 1")]
    [InlineData("generate --model m --prompt a --seed x", "--seed x: expected an integer")]
    [InlineData("generate --model m --prompt a --chat-template chatml", "--chat-template belongs to --chat")]
    [InlineData("export r --to d --as lora --rank big", "--rank big: expected an integer of at least 1")]
    [InlineData("make-problems --set shifted --count many --to f", "--count many: expected an integer of at least 1")]
    [InlineData("scale r --silos none", "--silos none: expected a number of at least 1")]
    public async Task A_wrong_number_names_its_option_and_the_form(string line, string message)
    {
        var outcome = await TestClient.Run(line.Split(' '));
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.StartsWith("peft-client: " + message, outcome.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_number_option_leaks_the_name_of_a_type()
    {
        foreach (var command in ClientApplication.Build(TestClient.Nowhere).Subcommands)
        {
            Type[] others = [typeof(string), typeof(bool), typeof(string[])];
            foreach (var option in command.Options.Where(option => !others.Contains(option.ValueType)))
            {
                // What an option belongs to comes first.
                string[] more = command.Name switch { "generate" => ["--prompt", "a"], "export" => ["--as", "lora"], _ => [] };
                var outcome = await TestClient.Run([command.Name, option.Name, "x", .. more]);
                if (option.Arity.MaximumNumberOfValues == 0) continue;
                Assert.Contains($"{option.Name} x: expected", outcome.Errors, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("start-run -f FOLDER", "is a folder; name a run file")]
    [InlineData("resume RUN -f FOLDER", "is a folder; name a run file")]
    [InlineData("compare -f FOLDER", "is a folder")]
    [InlineData("start-run -f FILE --set data.train.path=EMPTY", "a folder without data files")]
    [InlineData("start-run -f FILE --set data.validation.path=EMPTY", "a folder without data files")]
    [InlineData("score --model MODEL --input FOLDER --output out", "is a folder")]
    [InlineData("score --model MODEL --input ITEMS --output FOLDER", "is a folder")]
    [InlineData("make-problems --set shifted --count 1 --to FOLDER", "is a folder")]
    public async Task A_folder_where_a_file_is_wanted(string line, string message)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile("method: { lora: { rank: 8 } }");
        var run = workspace.FinishedRun("done");
        var empty = Directory.CreateDirectory(workspace.Path("empty")).FullName;
        var items = workspace.Write("items.jsonl", """{"input_ids": [1, 2], "labels": [1, 2]}""" + "\n");
        var outcome = await TestClient.Run([.. line.Split(' ').Select(word => word
            .Replace("FOLDER", workspace.Folder, StringComparison.Ordinal).Replace("EMPTY", empty, StringComparison.Ordinal)
            .Replace("FILE", file, StringComparison.Ordinal).Replace("RUN", run, StringComparison.Ordinal)
            .Replace("MODEL", workspace.Path("model"), StringComparison.Ordinal).Replace("ITEMS", items, StringComparison.Ordinal))]);
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains(workspace.Folder, outcome.Errors, StringComparison.Ordinal);
        Assert.Contains(message, outcome.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("start-run -f FILE --run-id nope")]
    [InlineData("get runs")]
    [InlineData("describe run done")]
    public async Task A_run_index_that_cannot_be_used_names_its_variable_and_nothing_is_made(string line)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile("method: { lora: { rank: 8 } }");
        var home = Environment.GetEnvironmentVariable("PEFT_HOME");
        // A file where the folder should be; for reading, a folder where the index should be.
        workspace.Write("home/runs.jsonl/in-the-way", "");
        Environment.SetEnvironmentVariable("PEFT_HOME", workspace.Path("home"));
        try
        {
            var outcome = await TestClient.Run([.. line.Split(' ').Select(word => word.Replace("FILE", file, StringComparison.Ordinal))]);
            Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
            Assert.StartsWith("peft-client: PEFT_HOME: " + workspace.Path("home/runs.jsonl"), outcome.Errors, StringComparison.Ordinal);
            Assert.False(Directory.Exists(workspace.Path("runs/nope")));
            // A folder that is not there and cannot be made is no empty list.
            Environment.SetEnvironmentVariable("PEFT_HOME", "/proc/nope");
            outcome = await TestClient.Run("get", "runs");
            Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
            Assert.StartsWith("peft-client: PEFT_HOME: /proc/nope", outcome.Errors, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_HOME", home);
        }
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
            Assert.Equal(
                0,
                (
                    await TestClient.Run("make-problems", "--set", "shifted", "--count", "5", "--seed", "3", "--to", workspace.Path(name))
                ).ExitCode
            );
        var lines = await File.ReadAllLinesAsync(workspace.Path("a"), TestContext.Current.CancellationToken);
        Assert.Equal(5, lines.Length);
        Assert.Equal(lines, await File.ReadAllLinesAsync(workspace.Path("b"), TestContext.Current.CancellationToken));
    }
}
