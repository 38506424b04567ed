using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// A silo that dies or freezes while a run is being given to its cluster: whatever call was on its way, the run is made, or the client
/// ends when it is told to.
/// </summary>
public sealed class EarlyDeathTests
{
    [Fact]
    public async Task The_run_is_made_by_the_silo_that_is_left()
    {
        using var workspace = new Workspace();
        var cluster = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(cluster);
        var (one, gateway) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var first = one;
        var (two, _) = await RemoteClusterSilo.Start(cluster, "silo-1", workspace.Folder);
        using var second = two;
        var given = PeftClient.Run(
            "start-run", "-f", EmbeddedModel.RunFile(workspace, "lora", steps: 2), "--cluster", gateway, "--run-id", "given", "-o", "json");

        // The client's first calls follow its connection at once.
        await Patience.Until(() => given.IsCompleted || IsConnected(int.Parse(gateway.Split(':')[^1], CultureInfo.InvariantCulture)));
        second.Kill();
        var run = (await given).Succeeded();
        Assert.Equal("completed", run.Json.GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_client_that_waits_for_a_frozen_cluster_ends_when_it_is_told_to()
    {
        using var workspace = new Workspace();
        var cluster = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(cluster);
        var (silo, gateway) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var frozen = silo;
        using var client = PeftClient.Start(
            "start-run", "-f", EmbeddedModel.RunFile(workspace, "lora", steps: 2), "--cluster", gateway, "--run-id", "asked", "-o", "json");
        await Patience.Until(() => client.HasExited || IsConnected(int.Parse(gateway.Split(':')[^1], CultureInfo.InvariantCulture)));
        await Signal(frozen.Pid, "STOP");
        await Signal(client.Id, "TERM");
        await client.WaitForExitAsync(Patience.Token);

        // As it was before its first answer, or had the run already and left it there.
        Assert.Contains(client.ExitCode, (int[])[130, 0]);
    }

    private static async Task Signal(int pid, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{pid}"]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Whether a connection to a port of this machine is established (proc(5), <c>/proc/net/tcp</c>).</summary>
    private static bool IsConnected(int port) => File.ReadLines("/proc/net/tcp").Skip(1)
        .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Any(columns => columns[3] == "01" && columns[2].EndsWith($":{port:X4}", StringComparison.Ordinal));
}
