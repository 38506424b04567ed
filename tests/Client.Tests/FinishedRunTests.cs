using System.Text.Json.Nodes;
using Peft.Orleans.Client.Runs;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>What the commands tell of a run that has ended, from its folder alone.</summary>
public sealed class FinishedRunTests
{
    private static readonly string[] ResultKeys =
    [
        "runId",
        "status",
        "steps",
        "finalLoss",
        "validationLoss",
        "tokensPerSecond",
        "adapterPath",
        "adapterSha256",
        "silos",
        "recoveries",
    ];

    [Fact]
    public async Task Metrics_are_the_lines_of_the_file_without_a_torn_one()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        var lines = (await File.ReadAllLinesAsync(Path.Combine(folder, "metrics.jsonl"), TestContext.Current.CancellationToken))[..4];
        var outcome = await TestClient.Run("metrics", folder, "-o", "ndjson");
        Assert.Equal(0, outcome.ExitCode);
        Assert.Equal(lines, outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(outcome.Output, (await TestClient.Run("metrics", folder, "--follow", "-o", "ndjson")).Output);
        Assert.Equal(4, JsonNode.Parse((await TestClient.Run("metrics", folder, "-o", "json")).Output)!.AsArray().Count);
        var table = (await TestClient.Run("metrics", folder)).Output;
        Assert.Contains("GRAD NORM", table, StringComparison.Ordinal);
        Assert.Contains("0.500 0.600 0.700", table, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Description_has_state_figures_method_and_events()
    {
        using var workspace = new Workspace();
        var outcome = await TestClient.Run("describe", "run", workspace.FinishedRun("done"), "-o", "json");
        Assert.Equal("", outcome.Errors);
        var data = JsonNode.Parse(outcome.Output)!.AsObject();
        Assert.All(ResultKeys, key => Assert.True(data.ContainsKey(key), key));
        Assert.Equal("completed", data["status"]!.GetValue<string>());
        Assert.Equal(1.5, data["finalLoss"]!.GetValue<double>());
        Assert.Equal(60.0, data["tokensPerSecond"]!.GetValue<double>());
        Assert.Equal("hybrid", data["method"]!["name"]!.GetValue<string>());
        Assert.Equal("term", data["events"]![0]!["event"]!.GetValue<string>());
        Assert.Contains(
            "status",
            (await TestClient.Run("describe", "run", workspace.Path("runs/done"))).Output,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "status: \"completed\"",
            (await TestClient.Run("describe", "run", workspace.Path("runs/done"), "-o", "yaml")).Output,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task Result_of_a_completed_run_is_told_again_by_resume_and_watch()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        foreach (var command in (string[])["resume", "watch"])
        {
            var outcome = await TestClient.Run(command, folder, "-o", "json");
            Assert.Equal(ExitCodes.Success, outcome.ExitCode);
            var result = outcome.Json.AsObject();
            Assert.Equal(ResultKeys, result.Select(static pair => pair.Key));
            Assert.Equal("completed", result["status"]!.GetValue<string>());
            Assert.Equal("abc", result["adapterSha256"]!.GetValue<string>());
        }
    }

    [Fact]
    public async Task Resume_refuses_another_file()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        var other = workspace.Write(
            "other.yaml",
            (await File.ReadAllTextAsync(workspace.Path("run.yaml"), TestContext.Current.CancellationToken)).Replace(
                "steps: 4",
                "steps: 5",
                StringComparison.Ordinal
            )
        );
        var outcome = await TestClient.Run("resume", folder, "-f", other);
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains("is not the run file of done", outcome.Errors, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Success, (await TestClient.Run("resume", folder, "-f", workspace.Path("run.yaml"))).ExitCode);
    }

    [Fact]
    public async Task Logs_begin_with_the_silos_name()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        Assert.Equal("silo-0 | one\nsilo-0 | two\nsilo-1 | three\n", (await TestClient.Run("logs", folder)).Output);
        Assert.Equal("three\n", (await TestClient.Run("logs", folder, "--silo", "silo-1", "-f")).Output);
        Assert.Equal(ExitCodes.NotFound, (await TestClient.Run("logs", folder, "--silo", "silo-7")).ExitCode);
    }

    [Fact]
    public async Task Commands_that_need_silos_say_that_there_are_none()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        foreach (var command in (string[][])[["stop", folder], ["silos", folder]])
        {
            var outcome = await TestClient.Run(command);
            Assert.Equal(ExitCodes.NoCluster, outcome.ExitCode);
            Assert.Contains("is not running", outcome.Errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Adapter_is_copied_to_a_new_folder_only()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        var target = workspace.Path("out");
        Assert.Equal(0, (await TestClient.Run("export", folder, "--to", target, "--as", "adapter")).ExitCode);
        Assert.Equal(
            "tensors",
            await File.ReadAllTextAsync(Path.Combine(target, "adapter_model.safetensors"), TestContext.Current.CancellationToken)
        );
        var again = await TestClient.Run("export", folder, "--to", target, "--as", "adapter");
        Assert.Equal(ExitCodes.Refused, again.ExitCode);
        Assert.Contains("is not empty", again.Errors, StringComparison.Ordinal);
        var unknownBase = await TestClient.Run(
            "export",
            Path.Combine(folder, "adapter"),
            "--to",
            workspace.Path("merged"),
            "--as",
            "merged"
        );
        Assert.Equal(ExitCodes.Refused, unknownBase.ExitCode);
        Assert.Contains("--base", unknownBase.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Picture_is_a_png()
    {
        using var workspace = new Workspace();
        var path = TrainingFigure.Write(workspace.FinishedRun("done"), "done");
        Assert.NotNull(path);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], File.ReadAllBytes(path)[..4]);
        Assert.Null(TrainingFigure.Write(workspace.Folder, "no metrics here"));
    }

    [Theory]
    [InlineData("completed", ExitCodes.Success)]
    [InlineData("detached", ExitCodes.Success)]
    [InlineData("stopped", ExitCodes.Stopped)]
    [InlineData("failed", ExitCodes.Failed)]
    [InlineData("interrupted", ExitCodes.Failed)]
    public void Exit_code_of_an_end(string word, int code) => Assert.Equal(code, RunResult.ExitCode(word));
}
