using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A silo added by hand to a local run that is under way.</summary>
public sealed class JoinTests
{
    [Fact]
    public async Task It_takes_part_changes_no_bit_and_ends_with_the_run()
    {
        using var workspace = new Workspace();
        using var run = EndlessRun.Start(EmbeddedModel.RunFile(workspace), "joined", "--local", "1");
        await run.Reached(3);
        var log = Path.Combine(workspace.Folder, "joined.log");
        using var silo = RemoteClusterSilo.Start(log, workspace.Folder, "--join", run.Folder);
        await run.OnSilos(2);
        Assert.Equal(2, (await run.Stop()).GetProperty("silos").GetInt32());
        await run.AssertUndisturbed();
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
}
