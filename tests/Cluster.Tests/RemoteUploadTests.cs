using System.Security.Cryptography;
using System.Text;

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
        var first = (await cluster.StartRun(workspace, file, "uploaded")).Succeeded();
        Assert.Contains("uploading", first.Errors, StringComparison.Ordinal);
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(data)));
        var uploaded = Path.Combine(cluster.Folder, "uploads", hash + ".jsonl");
        Assert.Equal(data, await File.ReadAllTextAsync(uploaded));
        var recorded = await File.ReadAllTextAsync(Path.Combine(workspace.Folder, "runs", "uploaded", "run.yaml"));
        Assert.Contains(uploaded, recorded, StringComparison.Ordinal);

        // The second run finds it there.
        var second = (await cluster.StartRun(workspace, file, "second")).Succeeded();
        Assert.DoesNotContain("uploading", second.Errors, StringComparison.Ordinal);
        Assert.Equal(first.AdapterSha256, second.AdapterSha256);

        // One path, two contents: which is meant?
        await File.WriteAllTextAsync(Path.Combine(cluster.SiloFolder, "mine.jsonl"), data + data);
        var refused = await cluster.StartRun(workspace, file, "third");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "data.train.path: /proc/self/cwd/mine.jsonl exists here and on the cluster",
            refused.Errors,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_adapter_that_only_the_client_has_is_uploaded_and_exports_are_the_silos_work()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2);
        (await cluster.StartRun(workspace, file, "before")).Succeeded();
        var trained = Path.Combine(workspace.Folder, "runs", "before", "adapter");
        var seen = (await cluster.StartRun(workspace, file, "seen", "--set", $"method.initial_adapter={trained}")).Succeeded();
        Assert.DoesNotContain("uploading", seen.Errors, StringComparison.Ordinal);

        Directory.Move(trained, Path.Combine(workspace.Folder, "mine"));
        string[] mine = ["--set", "method.initial_adapter=/proc/self/cwd/mine"];
        var sent = (await cluster.StartRun(workspace, file, "sent", mine)).Succeeded();
        Assert.Contains("uploading", sent.Errors, StringComparison.Ordinal);
        Assert.Equal(seen.AdapterSha256, sent.AdapterSha256);
        var again = (await cluster.StartRun(workspace, file, "again", mine)).Succeeded();
        Assert.DoesNotContain("uploading", again.Errors, StringComparison.Ordinal);

        // The silos' folder of the same name holds something else.
        Directory.CreateDirectory(Path.Combine(cluster.SiloFolder, "mine"));
        var refused = await cluster.StartRun(workspace, file, "refused", mine);
        Directory.Delete(Path.Combine(cluster.SiloFolder, "mine"));
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "method.initial_adapter: /proc/self/cwd/mine exists here and on the cluster",
            refused.Errors,
            StringComparison.Ordinal);

        // A run of the cluster, by somebody whose index does not know it.
        using var other = new Workspace();
        var merged = Path.Combine(other.Folder, "merged");
        (await cluster.Run(other, "export", "sent", "--as", "merged", "--to", merged)).Succeeded();
        Assert.True(File.Exists(Path.Combine(merged, "config.json")));
        var twice = await cluster.Run(other, "export", "sent", "--as", "adapter", "--to", merged);
        Assert.Equal(2, twice.ExitCode);
        Assert.Contains("is not empty", twice.Errors, StringComparison.Ordinal);
        var lora = Path.Combine(other.Folder, "lora");
        var said = (await cluster.Run(other, "export", "sent", "--as", "lora", "--rank", "2", "--to", lora)).Succeeded();
        Assert.Contains("--max-lora-rank 8", said.Output, StringComparison.Ordinal);
    }
}
