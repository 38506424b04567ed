using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A run goes on only with the files it began with: a step is a pure function of the run file and the version before it.</summary>
public class ChangedInputTests
{
    [Fact]
    public async Task Resume_refuses_changed_data_tokenizer_weights_and_state_and_accepts_a_touched_file()
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

        await Refuses(folder, "data.train.path", Path.Combine(workspace.Folder, "train.jsonl"), static lines =>
            lines[(lines.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
        await Refuses(folder, "model.path", Path.Combine(model, "tokenizer.json"), static text => text + "\n");

        var weights = Directory.EnumerateFiles(model, "*.safetensors").Order(StringComparer.Ordinal).First();
        var bytes = await File.ReadAllBytesAsync(weights, TestContext.Current.CancellationToken);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(weights, bytes, TestContext.Current.CancellationToken);
        var refused = await PeftClient.Run("resume", folder, "--local", "1");
        Assert.True(refused.ExitCode == 2, refused.Errors);
        Assert.Contains(weights + " changed since the run was created", refused.Errors, StringComparison.Ordinal);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(weights, bytes, TestContext.Current.CancellationToken);

        // What the coordinator has kept, as a version would write it that this one does not know.
        var state = Path.Combine(folder, "cluster", "state.db");
        using (var database = new SqliteConnection($"Data Source={state};Pooling=false"))
        {
            database.Open();
            using var rename = database.CreateCommand();
            rename.CommandText = "UPDATE stored_state SET form = form || '.9' WHERE grain = 'run/changed'";
            Assert.Equal(1, rename.ExecuteNonQuery());
        }

        refused = await PeftClient.Run("resume", folder, "--local", "1");
        Assert.True(refused.ExitCode == 2, refused.Errors);
        Assert.Contains(
            $"{state}: what is stored of run/changed has the form 'Peft.Orleans.RunRecord.9'",
            refused.Errors,
            StringComparison.Ordinal);
        Assert.Contains("move this file away and resume", refused.Errors, StringComparison.Ordinal);
        foreach (var suffix in (string[])["", "-wal", "-shm"]) File.Delete(state + suffix);

        // All files have other times now, and the content they had; the run goes on from its folder.
        var resumed = (await PeftClient.Run("resume", folder, "--local", "1", "-o", "json")).Succeeded();
        Assert.Equal("completed", resumed.Json.GetProperty("status").GetString());
        var term = File.ReadLines(Path.Combine(folder, "events.jsonl"))
            .Last(static line => line.Contains("\"event\":\"term\"", StringComparison.Ordinal));
        Assert.InRange(JsonDocument.Parse(term).RootElement.GetProperty("details").GetProperty("fromStep").GetInt32(), 3, 30);
    }

    [Fact]
    public async Task A_silo_that_sees_other_files_is_refused_by_name_and_without_it_the_run_is_resumed()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 120, model: model);
        var folder = Path.Combine(workspace.Folder, "runs", "apart");
        var cluster = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(cluster);
        var (one, gateway) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var first = one;
        using var client = PeftClient.Start("start-run", "-f", file, "--cluster", gateway, "--run-id", "apart", "-o", "json");
        var errors = client.StandardError.ReadToEndAsync();
        var metrics = Path.Combine(folder, "metrics.jsonl");
        await Patience.Until(() => client.HasExited || File.ReadAllLines(metrics).Length >= 3);
        Assert.False(client.HasExited, client.HasExited ? await errors : "");

        // Its machine has another configuration in the place of the model's.
        var config = Path.Combine(model, "config.json");
        var text = await File.ReadAllTextAsync(config);
        var other = workspace.Write("other.json", text.Replace("1e-05", "1e-04", StringComparison.Ordinal));
        Assert.NotEqual(Hash(config), Hash(other));
        var log = Path.Combine(workspace.Folder, "silo-1.log");
        using var second = RemoteClusterSilo.StartElsewhere(log, workspace.Folder, config, other, cluster, "silo-1");
        await client.WaitForExitAsync(Patience.Token);
        var said = await errors;
        Assert.True(client.ExitCode == 1, said + await File.ReadAllTextAsync(log));
        foreach (var part in (string[])["silo silo-1: model.path: " + config + " changed", Hash(config), Hash(other)])
            Assert.Contains(part, said, StringComparison.Ordinal);

        second.Kill();
        await second.Ended.WaitAsync(Patience.Limit);
        var resumed = (await PeftClient.Run("resume", folder, "--cluster", gateway, "-o", "json")).Succeeded();
        Assert.Equal("completed", resumed.Json.GetProperty("status").GetString());
        Assert.Equal(1, resumed.Json.GetProperty("silos").GetInt32());
    }

    /// <summary>With another text in a file's place nothing is resumed; with its own again it would be.</summary>
    private static async Task Refuses(string runFolder, string key, string path, Func<string, string> change)
    {
        var text = await File.ReadAllTextAsync(path);
        var before = Hash(path);
        await File.WriteAllTextAsync(path, change(text));
        var refused = await PeftClient.Run("resume", runFolder, "--local", "1");
        Assert.True(refused.ExitCode == 2, refused.Errors);
        foreach (var part in (string[])[path, before, Hash(path), key]) Assert.Contains(part, refused.Errors, StringComparison.Ordinal);
        await File.WriteAllTextAsync(path, text);
    }

    private static string Hash(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
}
