using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A silo added by hand to a local run that is under way.</summary>
public sealed class JoinTests
{
    [Fact]
    public async Task It_takes_part_changes_no_bit_and_ends_with_the_run()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, steps: 120);
        var undisturbed = await UndisturbedRun.Of(120);

        using var running = PeftClient.Start("start-run", "-f", file, "--local", "1", "--run-id", "joined", "-o", "json");
        var output = running.StandardOutput.ReadToEndAsync();
        var errors = running.StandardError.ReadToEndAsync();
        var folder = Path.Combine(workspace.Folder, "runs", "joined");
        await Patience.Until(() => File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")).Length >= 3);
        var log = Path.Combine(workspace.Folder, "joined.log");
        using var silo = RemoteClusterSilo.Start(log, workspace.Folder, "--join", folder);
        await Patience.Until(() => running.HasExited || Silos(folder).Contains(2));
        Assert.False(running.HasExited, await errors + await output + await File.ReadAllTextAsync(log));

        await running.WaitForExitAsync(Patience.Token);
        Assert.True(running.ExitCode == 0, await errors + await output);
        var json = JsonDocument.Parse((await output).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]).RootElement;
        Assert.Equal(2, json.GetProperty("silos").GetInt32());
        undisturbed.AssertSame(folder);
        await silo.Ended.WaitAsync(Patience.Limit);
        var said = await File.ReadAllTextAsync(log);
        Assert.True(silo.ExitCode == 0, said);
        Assert.Contains("run joined: layer 5 loaded", said, StringComparison.Ordinal);
        Assert.DoesNotContain("run joined: layer 0 loaded", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_must_compute_as_the_run_does()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2);
        (await PeftClient.Run("start-run", "-f", file, "--run-id", "done", "-o", "json")).Succeeded();
        var log = Path.Combine(workspace.Folder, "joined.log");
        foreach (var (arguments, message) in new (string[], string)[]
                 {
                     (["--join", Path.Combine(workspace.Folder, "runs", "done"), "--threads", "2"], "created for 1 threads"),
                     (["--join", workspace.Folder], "is no folder of a local run"),
                 })
        {
            using var silo = RemoteClusterSilo.Start(log, workspace.Folder, arguments);
            await silo.Ended.WaitAsync(Patience.Limit);
            Assert.Equal(2, silo.ExitCode);
            Assert.Contains(message, await File.ReadAllTextAsync(log), StringComparison.Ordinal);
        }
    }

    private static IEnumerable<int> Silos(string folder) =>
        File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")).Select(static line => JsonNode.Parse(line)!["silos"]!.GetValue<int>());
}
