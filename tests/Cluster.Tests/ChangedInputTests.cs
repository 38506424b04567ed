using System.Security.Cryptography;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A run goes on only with the files it began with: a step is a pure function of the run file and the version before it.</summary>
public class ChangedInputTests
{
    [Fact]
    public async Task Resume_refuses_changed_data_and_weights_and_accepts_a_touched_file()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 30, model: model);
        var folder = Path.Combine(workspace.Folder, "runs", "changed");
        using (var client = PeftClient.Start("start-run", "-f", file, "--local", "1", "--run-id", "changed", "-o", "json"))
        {
            var metrics = Path.Combine(folder, "metrics.jsonl");
            await Patience.Until(() => client.HasExited || (File.Exists(metrics) && File.ReadAllLines(metrics).Length >= 3));
            Assert.False(client.HasExited);
            // The client alone: its silos finish their step and take a snapshot.
            client.Kill();
        }

        var data = Path.Combine(workspace.Folder, "train.jsonl");
        var lines = await File.ReadAllTextAsync(data, TestContext.Current.CancellationToken);
        var (before, after) = await Changed(data, lines[(lines.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
        var refused = await PeftClient.Run("resume", folder, "--local", "1");
        Assert.True(refused.ExitCode == 2, refused.Errors);
        foreach (var part in (string[])[data, before, after, "data.train.path"])
            Assert.Contains(part, refused.Errors, StringComparison.Ordinal);
        await File.WriteAllTextAsync(data, lines, TestContext.Current.CancellationToken);

        var weights = Directory.EnumerateFiles(model, "*.safetensors").Order(StringComparer.Ordinal).First();
        var bytes = await File.ReadAllBytesAsync(weights, TestContext.Current.CancellationToken);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(weights, bytes, TestContext.Current.CancellationToken);
        refused = await PeftClient.Run("resume", folder, "--local", "1");
        Assert.True(refused.ExitCode == 2, refused.Errors);
        Assert.Contains(weights + " changed since the run was created", refused.Errors, StringComparison.Ordinal);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(weights, bytes, TestContext.Current.CancellationToken);

        // Both files have other times now, and the content they had.
        var resumed = (await PeftClient.Run("resume", folder, "--local", "1", "-o", "json")).Succeeded();
        Assert.Equal("completed", resumed.Json.GetProperty("status").GetString());
    }

    private static async Task<(string Before, string After)> Changed(string path, string text)
    {
        var before = Hash(path);
        await File.WriteAllTextAsync(path, text);
        return (before, Hash(path));
    }

    private static string Hash(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
}
