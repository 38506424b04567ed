using System.Security.Cryptography;
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
        using var run = EndlessRun.Start(EmbeddedModel.RunFile(workspace, "lora", model: model), "changed", "--local", "1");
        var folder = run.Folder;
        await run.Reached(3);
        // The client alone: its silos finish their step and take a snapshot.
        run.KillClient();
        await run.Ended();

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
        var done = run.Lines().Length;
        run.Resume("--local", "1");
        await run.Reached(done + 1);
        await run.Stop();
        Assert.InRange(run.Events("term")[^1].GetProperty("fromStep").GetInt32(), 3, done);
    }

    [Fact]
    public async Task Silos_that_see_other_files_or_compute_otherwise_are_left_out_by_name_and_change_no_bit()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        var file = EmbeddedModel.RunFile(workspace, "lora", model: model);
        var cluster = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(cluster);
        var (one, gateway) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var first = one;
        using var run = EndlessRun.Start(file, "apart", "--cluster", gateway);
        await run.MoreSteps(3);

        // Its machine has another configuration in the place of the model's.
        var config = Path.Combine(model, "config.json");
        var text = await File.ReadAllTextAsync(config);
        var other = workspace.Write("other.json", text.Replace("1e-05", "1e-04", StringComparison.Ordinal));
        Assert.NotEqual(Hash(config), Hash(other));
        var log = Path.Combine(workspace.Folder, "silo-1.log");
        using var second = RemoteClusterSilo.StartElsewhere(log, workspace.Folder, config, other, cluster, "silo-1");
        await run.Until(() => run.Events("left_out").Count == 1);
        var left = run.Events("left_out")[0];
        Assert.Equal("silo-1", left.GetProperty("silo").GetString());
        foreach (var part in (string[])["silo silo-1: model.path: " + config + " changed", Hash(config), Hash(other)])
            Assert.Contains(part, left.GetProperty("reason").GetString(), StringComparison.Ordinal);
        await run.Until(() => File.ReadAllText(log).Contains("run apart goes on without this silo: silo silo-1", StringComparison.Ordinal));

        // Another computes with other threads; a third one is like the first, and takes part.
        log = Path.Combine(workspace.Folder, "silo-2.log");
        using var third = RemoteClusterSilo.Start(
            log, workspace.Folder, "--cluster-folder", cluster, "--name", "silo-2", "--threads", "2");
        await run.Until(() => run.Events("left_out").Count == 2);
        Assert.Contains(
            "silo silo-2 computes with 2 threads", run.Events("left_out")[1].GetProperty("reason").GetString(), StringComparison.Ordinal);
        var (four, _) = await RemoteClusterSilo.Start(cluster, "silo-3", workspace.Folder);
        using var fourth = four;
        await run.OnSilos(2);
        Assert.False(second.Ended.IsCompleted || third.Ended.IsCompleted);
        Assert.Empty(run.Events("term_ended"));
        await run.Stop("--cluster", gateway);
        await run.AssertUndisturbed();
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
