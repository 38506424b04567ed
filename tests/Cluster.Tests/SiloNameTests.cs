using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Two living silos of one name: there are none, or not for long.</summary>
public sealed class SiloNameTests
{
    [Fact]
    public async Task Two_silos_started_at_once_get_a_name_each_and_that_of_a_living_one_is_refused()
    {
        using var workspace = new Workspace();
        var cluster = Path.Combine(workspace.Folder, "cluster");
        string Log(string name) => Path.Combine(workspace.Folder, name + ".log");
        using var one = RemoteClusterSilo.Start(Log("one"), workspace.Folder, "--cluster-folder", cluster, "--threads", "1");
        using var two = RemoteClusterSilo.Start(Log("two"), workspace.Folder, "--cluster-folder", cluster, "--threads", "1");
        bool IsUp(string name) => File.Exists(Path.Combine(cluster, "silos", name + ".json"));
        await Patience.Until(() => (IsUp("silo-0") && IsUp("silo-1")) || one.Ended.IsCompleted || two.Ended.IsCompleted);
        Assert.True(IsUp("silo-0") && IsUp("silo-1"), File.ReadAllText(Log("one")) + File.ReadAllText(Log("two")));

        using var third = RemoteClusterSilo.Start(
            Log("third"),
            workspace.Folder,
            "--cluster-folder",
            cluster,
            "--threads",
            "1",
            "--name",
            "silo-0");
        await third.Ended.WaitAsync(Patience.Limit);
        Assert.Equal(2, third.ExitCode);
        Assert.Matches(
            "--name silo-0: a living silo of .* has this name \\(process [0-9]+ at 127.0.0.1:[0-9]+\\)",
            File.ReadAllText(Log("third")));
    }

    [Fact]
    public async Task Where_storage_knows_no_locks_the_earlier_one_ends_and_a_run_goes_on_the_later()
    {
        using var workspace = new Workspace();
        var cluster = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(cluster);
        var (earlier, _) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var first = earlier;
        // Another file in its place is locked by nobody.
        foreach (var file in (string[])["silo-0.lock", "silo-0.json"]) File.Delete(Path.Combine(cluster, "silos", file));
        File.Move(Path.Combine(cluster, "silo-0.log"), Path.Combine(cluster, "earlier.log"));
        var (later, gateway) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var second = later;
        await first.Ended.WaitAsync(Patience.Limit);
        Assert.Equal(2, first.ExitCode);
        Assert.Contains(
            "silo silo-0 was started again at 127.0.0.1:",
            File.ReadAllText(Path.Combine(cluster, "earlier.log")),
            StringComparison.Ordinal);

        var run = EmbeddedModel.RunFile(workspace, "lora", steps: 3);
        var done = (await PeftClient.Run("start-run", "-f", run, "--cluster", gateway, "--run-id", "after", "-o", "json")).Succeeded();
        Assert.Equal(0, done.Json.GetProperty("recoveries").GetInt32());
        Assert.Equal(1, done.Json.GetProperty("silos").GetInt32());
    }
}
