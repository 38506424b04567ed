using System.Security.Cryptography;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>What a client has and the cluster's silos do not see is sent to them.</summary>
[Collection(RemoteCluster.Shared)]
public sealed class RemoteUploadTests(RemoteCluster cluster)
{
    [Fact]
    public async Task A_data_set_that_only_the_client_has_is_uploaded_and_named_by_its_hash()
    {
        using var workspace = new Workspace();
        var data = string.Join('\n', File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(100)) + "\n";
        workspace.Write("mine.jsonl", data);
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2, data: "/proc/self/cwd/mine.jsonl");
        var outcome = (
            await RemoteCluster.Run(
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
            await RemoteCluster.Run(
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
        var refused = await RemoteCluster.Run(
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
        var sent = (await RemoteCluster.Run(workspace.Folder, workspace.Folder, [.. start, "--run-id", "sent"])).Succeeded();
        Assert.Contains("uploading", sent.Errors, StringComparison.Ordinal);
        Assert.Equal(seen.Json.GetProperty("adapterSha256").GetString(), sent.Json.GetProperty("adapterSha256").GetString());
        var again = (await RemoteCluster.Run(workspace.Folder, workspace.Folder, [.. start, "--run-id", "again"])).Succeeded();
        Assert.DoesNotContain("uploading", again.Errors, StringComparison.Ordinal);

        // The silos' folder of the same name holds something else.
        Directory.CreateDirectory(Path.Combine(cluster.SiloFolder, "mine"));
        var refused = await RemoteCluster.Run(workspace.Folder, workspace.Folder, [.. start, "--run-id", "refused"]);
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
            await RemoteCluster.Run(
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
}
