using System.Text.Json.Nodes;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>Starting a run up to the point where silos are needed.</summary>
public sealed class StartRunTests
{
    [Fact]
    public async Task Dry_run_prints_plan_memory_and_the_resolved_file()
    {
        using var workspace = new Workspace();
        var outcome = await TestClient.Run(
            "start-run",
            "-f",
            workspace.RunFile(),
            "--local",
            "2",
            "--dry-run",
            "-o",
            "json",
            "--set",
            "method.lora.rank=8"
        );
        Assert.Equal("", outcome.Errors);
        Assert.Equal(ExitCodes.Success, outcome.ExitCode);
        var plan = JsonNode.Parse(outcome.Output)!;
        var layers = plan["silos"]!
            .AsArray()
            .SelectMany(static silo => silo!["layers"]!.AsArray())
            .Select(static layer => layer!.GetValue<int>());
        // Two silos may be two replicas.
        Assert.Equal([0, 1, 2, 3, 4], layers.Distinct().Order());
        Assert.All(plan["silos"]!.AsArray(), static silo => Assert.True(silo!["predictedBytes"]!.GetValue<long>() > 100 << 20));
        var spec = RunFile.Parse(plan["run"]!.GetValue<string>());
        Assert.Equal(8, spec.Method.Lora.Rank);
        Assert.NotNull(spec.Compute.ThreadsPerSilo);
        Assert.NotNull(spec.Compute.Products);
        Assert.False(Directory.Exists(workspace.Path("runs")));
    }

    [Fact]
    public async Task Dry_run_for_people()
    {
        using var workspace = new Workspace();
        var outcome = await TestClient.Run("start-run", "-f", workspace.RunFile(), "--local", "2", "--dry-run");
        Assert.Contains("PREDICTED MEMORY", outcome.Output, StringComparison.Ordinal);
        Assert.Contains("silo-1", outcome.Output, StringComparison.Ordinal);
        Assert.Contains("bf16 products here:", outcome.Output, StringComparison.Ordinal);
        Assert.Contains("name: demo", outcome.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("trainin.steps=3", "--set trainin.steps=3: trainin: unknown key; did you mean training?")]
    [InlineData("model.path=nowhere", "nowhere: folder not found")]
    [InlineData("data.train.path=nowhere.jsonl", "run.yaml:3: data.train.path")]
    [InlineData("data.train.format=text", "has no tokenizer")]
    [InlineData("method.initial_adapter=nowhere", "--set method.initial_adapter=nowhere: method.initial_adapter")]
    [InlineData("method.target_modules=[query]", "'query' is no linear module of this model; choose of q_proj")]
    [InlineData("method.lora.rank=17", "k_proj is 32 × 64")]
    [InlineData("method.boft.block_size=64", "method.boft.block_size: q_proj has 64 outputs")]
    public async Task Refused_before_anything_starts(string assignment, string message)
    {
        using var workspace = new Workspace();
        var outcome = await TestClient.Run("start-run", "-f", workspace.RunFile(), "--set", assignment, "--run-id", "r");
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        // --set data.train.path=… is named by its own place.
        Assert.Contains(
            assignment.StartsWith("data.train.path", StringComparison.Ordinal) ? "data.train.path" : message,
            outcome.Errors,
            StringComparison.Ordinal
        );
        Assert.False(Directory.Exists(workspace.Path("runs/r")));
    }

    [Fact]
    public async Task Empty_data_is_refused()
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        workspace.Write("train.jsonl", "");
        var outcome = await TestClient.Run("start-run", "-f", file);
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains("run.yaml:3: data.train.path:", outcome.Errors, StringComparison.Ordinal);
        Assert.Contains("is empty", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shard_that_the_index_names_must_be_there()
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        File.Delete(workspace.Path("model/model.safetensors"));
        workspace.Write(
            "model/model.safetensors.index.json",
            """{"weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}}"""
        );
        var outcome = await TestClient.Run("start-run", "-f", file);
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains(
            "model.safetensors.index.json: none of the 1 shards it names is there (model-00001-of-00001.safetensors)",
            outcome.Errors,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task Output_that_cannot_be_written()
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        workspace.Write("blocker", "a file");
        (string, string)[] wrong =
        [
            ("blocker/runs", workspace.Path("blocker") + " is a file"),
            ("/proc/x", ""),
            (new('x', 300), "a folder's name has at most 255 bytes"),
        ];
        foreach (var (output, reason) in wrong)
        {
            string[] start = ["start-run", "-f", file, "--set", $"output={output}", "--set", "method.lora.rank=8"];
            foreach (var command in (string[][])[start, [.. start, "--dry-run"]])
            {
                var outcome = await TestClient.Run(command);
                Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
                Assert.Contains($"{output} cannot be written: {reason}", outcome.Errors, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task A_dry_run_knows_the_run_that_has_the_id_and_leaves_nothing()
    {
        using var workspace = new Workspace();
        workspace.FinishedRun("taken");
        string[] start = ["start-run", "-f", workspace.Path("run.yaml"), "--dry-run", "--set", "method.lora.rank=8"];
        var refused = await TestClient.Run([.. start, "--run-id", "taken"]);
        Assert.Equal(ExitCodes.Refused, refused.ExitCode);
        Assert.Contains("run taken exists in", refused.Errors, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Success, (await TestClient.Run([.. start, "--run-id", "free"])).ExitCode);
        Assert.Equal([workspace.Path("runs/taken")], Directory.GetFileSystemEntries(workspace.Path("runs")));
    }

    [Fact]
    public async Task Run_id_must_be_a_folder_name()
    {
        using var workspace = new Workspace();
        var outcome = await TestClient.Run("start-run", "-f", workspace.RunFile(), "--run-id", "a/b");
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.Contains("--run-id a/b", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silo_that_ends_early_is_reported_with_its_last_words()
    {
        using var workspace = new Workspace();
        var silo = workspace.Script("peft-silo", "#!/bin/sh\necho \"cannot do it\" >&2\nexit 3\n");
        Environment.SetEnvironmentVariable("PEFT_SILO", silo);
        try
        {
            var file = workspace.RunFile();
            var outcome = await TestClient.Run("start-run", "-f", file, "--local", "2", "--run-id", "early", "--set", "method.lora.rank=8");
            Assert.Equal(ExitCodes.NoCluster, outcome.ExitCode);
            Assert.Contains("cannot do it", outcome.Errors, StringComparison.Ordinal);
            Assert.Contains("silo-", outcome.Errors, StringComparison.Ordinal);

            // The folder holds this run now: another file is refused under its id, and the index knows it.
            var other = await TestClient.Run(
                "start-run",
                "-f",
                file,
                "--run-id",
                "early",
                "--set",
                "training.steps=9",
                "--set",
                "method.lora.rank=8"
            );
            Assert.Equal(ExitCodes.Refused, other.ExitCode);
            Assert.Contains("with another run file", other.Errors, StringComparison.Ordinal);
            Assert.Contains("\"runId\": \"early\"", (await TestClient.Run("get", "runs", "-o", "json")).Output, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_SILO", null);
        }
    }

    [Fact]
    public async Task A_silo_that_is_not_there()
    {
        using var workspace = new Workspace();
        Environment.SetEnvironmentVariable("PEFT_SILO", workspace.Path("nothing"));
        try
        {
            var outcome = await TestClient.Run("start-run", "-f", workspace.RunFile(), "--set", "method.lora.rank=8");
            Assert.Equal(ExitCodes.NoCluster, outcome.ExitCode);
            Assert.Contains("peft-silo not found", outcome.Errors, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_SILO", null);
        }
    }
}
