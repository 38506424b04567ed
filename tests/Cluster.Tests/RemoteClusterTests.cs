using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>The same client against a running cluster.</summary>
[Collection(RemoteCluster.Shared)]
public sealed class RemoteClusterTests(RemoteCluster cluster)
{
    [Fact]
    public async Task A_run_on_a_cluster_is_the_run_on_local_silos()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace);
        var local = (await PeftClient.Run("start-run", "-f", file, "--local", "2", "--run-id", "here", "-o", "json")).Succeeded();
        var remote = (
            await PeftClient.Run("start-run", "-f", file, "--cluster", cluster.Address, "--run-id", "there", "-o", "json")
        ).Succeeded();
        Assert.Equal("completed", remote.Json.GetProperty("status").GetString());
        Assert.Equal(2, remote.Json.GetProperty("silos").GetInt32());
        Assert.Equal(local.AdapterSha256, remote.AdapterSha256);
        var folder = Path.Combine(workspace.Folder, "runs", "there");
        Assert.Equal(Path.Combine(folder, "adapter"), remote.Json.GetProperty("adapterPath").GetString());
        // Silos that see the data set are not sent it.
        Assert.Contains(
            Path.Combine(workspace.Folder, "train.jsonl"),
            await File.ReadAllTextAsync(Path.Combine(folder, "run.yaml")),
            StringComparison.Ordinal
        );

        // Again under the same id: its result.
        var again = (
            await PeftClient.Run("start-run", "-f", file, "--cluster", cluster.Address, "--run-id", "there", "-o", "json")
        ).Succeeded();
        Assert.Equal(remote.AdapterSha256, again.AdapterSha256);
        var other = await PeftClient.Run(
            "start-run",
            "-f",
            file,
            "--cluster",
            cluster.Address,
            "--run-id",
            "there",
            "--set",
            "training.steps=7"
        );
        Assert.Equal(2, other.ExitCode);
        Assert.Contains("with another run file", other.Errors, StringComparison.Ordinal);
        var runs = JsonNode
            .Parse((await PeftClient.Run("get", "runs", "--cluster", cluster.Address, "-o", "json")).Succeeded().Output)!
            .AsArray();
        var row = Assert.Single(runs, static run => run!["runId"]!.GetValue<string>() == "there")!;
        Assert.Equal("completed", row["state"]!.GetValue<string>());
        Assert.Equal(6, row["step"]!.GetValue<int>());
    }

    [Fact]
    public async Task Handed_over_watched_stopped_and_resumed_by_somebody_else()
    {
        using var workspace = new Workspace();
        // It ends when it is stopped, however busy the machine is.
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 1_000_000);
        var handed = (
            await PeftClient.Run("start-run", "-f", file, "--cluster", cluster.Address, "--run-id", "handed", "--no-wait", "-o", "json")
        ).Succeeded();
        Assert.Equal("detached", handed.Json.GetProperty("status").GetString());

        // The run index of another user does not know the id.
        var home = Path.Combine(workspace.Folder, "home");
        Assert.Equal(3, (await RemoteCluster.Run(workspace.Folder, home, "stop", "handed")).ExitCode);
        Assert.Equal(3, (await RemoteCluster.Run(workspace.Folder, home, "watch", "no-such", "--cluster", cluster.Address)).ExitCode);
        await Patience.Until(() => File.ReadAllLines(Path.Combine(workspace.Folder, "runs", "handed", "metrics.jsonl")).Length >= 3);
        var listed = JsonNode
            .Parse(
                (await RemoteCluster.Run(workspace.Folder, home, "get", "runs", "--cluster", cluster.Address, "-o", "json"))
                    .Succeeded()
                    .Output
            )!
            .AsArray();
        Assert.Equal(
            "running",
            Assert.Single(listed, static run => run!["runId"]!.GetValue<string>() == "handed")!["state"]!.GetValue<string>()
        );
        (await RemoteCluster.Run(workspace.Folder, home, "stop", "handed", "--snapshot", "--cluster", cluster.Address)).Succeeded();
        var watched = await RemoteCluster.Run(workspace.Folder, home, "watch", "handed", "--cluster", cluster.Address, "-o", "json");
        Assert.Equal(4, watched.ExitCode);
        Assert.Equal("stopped", watched.Json.GetProperty("status").GetString());
        var done = watched.Json.GetProperty("steps").GetInt32();
        Assert.True(done >= 3, $"{done} steps");
        string[] follow = ["metrics", "handed", "--follow", "--cluster", cluster.Address, "-o", "ndjson"];
        var metrics = (await RemoteCluster.Run(workspace.Folder, home, follow)).Succeeded().Output;
        Assert.Equal(
            Enumerable.Range(1, done),
            metrics
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(static line => JsonNode.Parse(line)!["step"]!.GetValue<int>())
        );

        // By its owner, whose index knows where it is.
        using var resumed = PeftClient.Start("resume", "handed", "--cluster", cluster.Address, "-o", "json");
        var output = resumed.StandardOutput.ReadToEndAsync();
        var errors = resumed.StandardError.ReadToEndAsync();
        var lines = Path.Combine(workspace.Folder, "runs", "handed", "metrics.jsonl");
        await Patience.Until(() => resumed.HasExited || File.ReadAllLines(lines).Length >= done + 3);
        (await PeftClient.Run("stop", "handed")).Succeeded();
        await resumed.WaitForExitAsync(Patience.Token);
        Assert.True(resumed.ExitCode == 4, await errors + await output);
        Assert.Equal(
            Enumerable.Range(1, File.ReadAllLines(lines).Length),
            (await PeftClient.Run("metrics", "handed", "-o", "ndjson"))
                .Succeeded()
                .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(static line => JsonNode.Parse(line)!["step"]!.GetValue<int>())
        );
    }

    [Fact]
    public async Task What_the_silos_do_not_find_or_cannot_write_is_refused_by_name()
    {
        using var workspace = new Workspace();
        var missing = await PeftClient.Run(
            "start-run",
            "-f",
            EmbeddedModel.RunFile(workspace, data: "/nowhere/train.jsonl"),
            "--cluster",
            cluster.Address,
            "--run-id",
            "missing",
            "-o",
            "json"
        );
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains("/nowhere/train.jsonl", missing.Errors, StringComparison.Ordinal);
        workspace.Write("blocker", "a file");
        var unwritable = await PeftClient.Run(
            "start-run",
            "-f",
            EmbeddedModel.RunFile(workspace),
            "--cluster",
            cluster.Address,
            "--set",
            "output=blocker/runs"
        );
        Assert.Equal(2, unwritable.ExitCode);
        Assert.Contains("blocker/runs", unwritable.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_only_silos_can_refuse_is_refused_before_a_run_is_recorded()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2);
        // Seen by the silos alone, and trained with another method.
        var theirs = Path.Combine(cluster.SiloFolder, "theirs");
        Directory.CreateDirectory(theirs);
        await File.WriteAllTextAsync(
            Path.Combine(theirs, "adapter_config.json"),
            """{"peft_type": "BOFT", "target_modules": ["q_proj"], "boft_block_size": 4}"""
        );
        foreach (var (set, message) in ((string, string)[])
            [
                ("compute.threads_per_silo=2", "compute.threads_per_silo: the run computes with 2 threads per silo, but these silos"),
                ("method.initial_adapter=/proc/self/cwd/theirs", "/proc/self/cwd/theirs"),
                ("method.initial_adapter=/proc/self/cwd/nowhere", "method.initial_adapter: /proc/self/cwd/nowhere"),
            ])
        {
            string[] start = ["start-run", "-f", file, "--cluster", cluster.Address, "--run-id", "unmade", "--set", set];
            var refused = await RemoteCluster.Run(workspace.Folder, workspace.Folder, start);
            Assert.Contains(message, refused.Errors, StringComparison.Ordinal);
            Assert.Equal(2, refused.ExitCode);
            Assert.False(Directory.Exists(Path.Combine(workspace.Folder, "runs", "unmade")));
            string[] runs = ["get", "runs", "--cluster", cluster.Address, "-o", "json"];
            var listed = await RemoteCluster.Run(workspace.Folder, workspace.Folder, runs);
            Assert.DoesNotContain("unmade", listed.Output, StringComparison.Ordinal);
        }
    }
}
