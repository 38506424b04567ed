using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Two silos started by hand, in a working folder of their own.</summary>
public sealed class RemoteCluster : IAsyncLifetime
{
    private readonly Workspace workspace = new();
    private readonly List<RemoteClusterSilo> silos = [];

    internal string Address { get; private set; } = "";

    internal string Folder => Path.Combine(workspace.Folder, "cluster");

    /// <summary>Where the silos stand: relative places such as /proc/self/cwd are here for them, elsewhere for a client.</summary>
    internal string SiloFolder => Path.Combine(workspace.Folder, "silos");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(SiloFolder);
        var addresses = new List<string>();
        foreach (var name in (string[])["silo-0", "silo-1"])
        {
            var (silo, gateway) = await RemoteClusterSilo.Start(Folder, name, SiloFolder);
            silos.Add(silo);
            addresses.Add(gateway);
        }

        Address = string.Join(',', addresses);
    }

    public ValueTask DisposeAsync()
    {
        silos.ForEach(static silo => silo.Dispose());
        workspace.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>The same client against a running cluster.</summary>
public sealed class RemoteClusterTests(RemoteCluster cluster) : IClassFixture<RemoteCluster>
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
        Assert.Equal(local.Json.GetProperty("adapterSha256").GetString(), remote.Json.GetProperty("adapterSha256").GetString());
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
        Assert.Equal(remote.Json.GetProperty("adapterSha256").GetString(), again.Json.GetProperty("adapterSha256").GetString());
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
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 120);
        var handed = (
            await PeftClient.Run("start-run", "-f", file, "--cluster", cluster.Address, "--run-id", "handed", "--no-wait", "-o", "json")
        ).Succeeded();
        Assert.Equal("detached", handed.Json.GetProperty("status").GetString());

        // The run index of another user does not know the id.
        var home = Path.Combine(workspace.Folder, "home");
        Assert.Equal(3, (await Run(workspace.Folder, home, "stop", "handed")).ExitCode);
        Assert.Equal(3, (await Run(workspace.Folder, home, "watch", "no-such", "--cluster", cluster.Address)).ExitCode);
        await Patience.Until(() => File.ReadAllLines(Path.Combine(workspace.Folder, "runs", "handed", "metrics.jsonl")).Length >= 3);
        var listed = JsonNode
            .Parse((await Run(workspace.Folder, home, "get", "runs", "--cluster", cluster.Address, "-o", "json")).Succeeded().Output)!
            .AsArray();
        Assert.Equal(
            "running",
            Assert.Single(listed, static run => run!["runId"]!.GetValue<string>() == "handed")!["state"]!.GetValue<string>()
        );
        (await Run(workspace.Folder, home, "stop", "handed", "--snapshot", "--cluster", cluster.Address)).Succeeded();
        var watched = await Run(workspace.Folder, home, "watch", "handed", "--cluster", cluster.Address, "-o", "json");
        Assert.Equal(4, watched.ExitCode);
        Assert.Equal("stopped", watched.Json.GetProperty("status").GetString());
        var done = watched.Json.GetProperty("steps").GetInt32();
        Assert.InRange(done, 3, 119);
        var metrics = (await Run(workspace.Folder, home, "metrics", "handed", "--follow", "--cluster", cluster.Address, "-o", "ndjson"))
            .Succeeded()
            .Output;
        Assert.Equal(
            Enumerable.Range(1, done),
            metrics
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(static line => JsonNode.Parse(line)!["step"]!.GetValue<int>())
        );

        // By its owner, whose index knows where it is.
        var resumed = (await PeftClient.Run("resume", "handed", "--cluster", cluster.Address, "-o", "json")).Succeeded();
        Assert.Equal("completed", resumed.Json.GetProperty("status").GetString());
        Assert.Equal(
            120,
            (await PeftClient.Run("metrics", "handed", "-o", "ndjson"))
                .Succeeded()
                .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Length
        );
    }

    [Fact]
    public async Task A_data_set_that_only_the_client_has_is_uploaded_and_named_by_its_hash()
    {
        using var workspace = new Workspace();
        var data = string.Join('\n', File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(100)) + "\n";
        workspace.Write("mine.jsonl", data);
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2, data: "/proc/self/cwd/mine.jsonl");
        var outcome = (
            await Run(
                workspace.Folder,
                workspace.Folder,
                "start-run",
                "-f",
                file,
                "--cluster",
                cluster.Address,
                "--run-id",
                "uploaded",
                "-o",
                "json"
            )
        ).Succeeded();
        Assert.Contains("uploading", outcome.Errors, StringComparison.Ordinal);
        var uploaded = Path.Combine(
            cluster.Folder,
            "uploads",
            Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(data))) + ".jsonl"
        );
        Assert.Equal(data, await File.ReadAllTextAsync(uploaded));
        Assert.Contains(
            uploaded,
            await File.ReadAllTextAsync(Path.Combine(workspace.Folder, "runs", "uploaded", "run.yaml")),
            StringComparison.Ordinal
        );
        // The second run finds it there.
        var second = (
            await Run(
                workspace.Folder,
                workspace.Folder,
                "start-run",
                "-f",
                file,
                "--cluster",
                cluster.Address,
                "--run-id",
                "second",
                "-o",
                "json"
            )
        ).Succeeded();
        Assert.DoesNotContain("uploading", second.Errors, StringComparison.Ordinal);
        Assert.Equal(outcome.Json.GetProperty("adapterSha256").GetString(), second.Json.GetProperty("adapterSha256").GetString());

        // One path, two contents: which is meant?
        await File.WriteAllTextAsync(Path.Combine(cluster.SiloFolder, "mine.jsonl"), data + data);
        var refused = await Run(
            workspace.Folder,
            workspace.Folder,
            "start-run",
            "-f",
            file,
            "--cluster",
            cluster.Address,
            "--run-id",
            "third"
        );
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "data.train.path: /proc/self/cwd/mine.jsonl exists here and on the cluster",
            refused.Errors,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task An_adapter_that_only_the_client_has_is_uploaded_and_exports_are_the_silos_work()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2);
        (await PeftClient.Run("start-run", "-f", file, "--cluster", cluster.Address, "--run-id", "before", "-o", "json")).Succeeded();
        var trained = Path.Combine(workspace.Folder, "runs", "before", "adapter");
        var seen = (
            await PeftClient.Run(
                "start-run",
                "-f",
                file,
                "--cluster",
                cluster.Address,
                "--run-id",
                "seen",
                "--set",
                $"method.initial_adapter={trained}",
                "-o",
                "json"
            )
        ).Succeeded();
        Assert.DoesNotContain("uploading", seen.Errors, StringComparison.Ordinal);

        Directory.Move(trained, Path.Combine(workspace.Folder, "mine"));
        string[] start =
        [
            "start-run",
            "-f",
            file,
            "--cluster",
            cluster.Address,
            "--set",
            "method.initial_adapter=/proc/self/cwd/mine",
            "-o",
            "json",
        ];
        var sent = (await Run(workspace.Folder, workspace.Folder, [.. start, "--run-id", "sent"])).Succeeded();
        Assert.Contains("uploading", sent.Errors, StringComparison.Ordinal);
        Assert.Equal(seen.Json.GetProperty("adapterSha256").GetString(), sent.Json.GetProperty("adapterSha256").GetString());
        var again = (await Run(workspace.Folder, workspace.Folder, [.. start, "--run-id", "again"])).Succeeded();
        Assert.DoesNotContain("uploading", again.Errors, StringComparison.Ordinal);

        // The silos' folder of the same name holds something else.
        Directory.CreateDirectory(Path.Combine(cluster.SiloFolder, "mine"));
        var refused = await Run(workspace.Folder, workspace.Folder, [.. start, "--run-id", "refused"]);
        Directory.Delete(Path.Combine(cluster.SiloFolder, "mine"));
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "method.initial_adapter: /proc/self/cwd/mine exists here and on the cluster",
            refused.Errors,
            StringComparison.Ordinal
        );

        // A run of the cluster, by somebody whose index does not know it.
        var merged = Path.Combine(workspace.Folder, "merged");
        (
            await Run(
                workspace.Folder,
                workspace.Folder + "/home",
                "export",
                "sent",
                "--cluster",
                cluster.Address,
                "--as",
                "merged",
                "--to",
                merged
            )
        ).Succeeded();
        Assert.True(File.Exists(Path.Combine(merged, "config.json")));
        var twice = await PeftClient.Run("export", "sent", "--cluster", cluster.Address, "--as", "adapter", "--to", merged);
        Assert.Equal(2, twice.ExitCode);
        Assert.Contains("is not empty", twice.Errors, StringComparison.Ordinal);
        var said = (
            await PeftClient.Run(
                "export",
                "sent",
                "--cluster",
                cluster.Address,
                "--as",
                "lora",
                "--rank",
                "2",
                "--to",
                Path.Combine(workspace.Folder, "lora")
            )
        ).Succeeded();
        Assert.Contains("--max-lora-rank 8", said.Output, StringComparison.Ordinal);
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
            var refused = await Run(workspace.Folder, workspace.Folder, start);
            Assert.Contains(message, refused.Errors, StringComparison.Ordinal);
            Assert.Equal(2, refused.ExitCode);
            Assert.False(Directory.Exists(Path.Combine(workspace.Folder, "runs", "unmade")));
            var runs = (await Run(workspace.Folder, workspace.Folder, "get", "runs", "--cluster", cluster.Address, "-o", "json")).Output;
            Assert.DoesNotContain("unmade", runs, StringComparison.Ordinal);
        }
    }

    /// <summary>A client of another user, standing in another folder.</summary>
    private static async Task<PeftClient.Outcome> Run(string workingFolder, string home, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingFolder,
        };
        foreach (var argument in (string[])[PeftClient.Program, .. arguments])
            start.ArgumentList.Add(argument);
        start.Environment["PEFT_HOME"] = home;
        start.Environment["NO_COLOR"] = "1";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(Patience.Token);
        return new PeftClient.Outcome(process.ExitCode, await output, await errors);
    }
}
