using System.Diagnostics;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// The system refuses memory for a tensor: no exception can pass through libtorch from there, so the silo's process ends and says why; for
/// the others it is a death like any other.
/// </summary>
public sealed class RefusedMemoryTests
{
    /// <summary>
    /// Beyond what the silo has mapped when the run begins: plenty for the runtime, and a fraction of what its layers keep of a step,
    /// whatever of the mapped was still unused. The step's largest tensors are many times what the runtime asks for at once, so it is a
    /// tensor that is refused.
    /// </summary>
    private const long Spare = 352L << 20;

    [Fact]
    public async Task The_silo_ends_by_its_own_words_and_the_run_goes_on_without_it()
    {
        using var workspace = new Workspace();
        var cluster = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(cluster);
        var (one, gateway) = await RemoteClusterSilo.Start(cluster, "silo-0", workspace.Folder);
        using var first = one;
        var (two, _) = await RemoteClusterSilo.Start(cluster, "silo-1", workspace.Folder);
        using var second = two;
        Limit(second.Pid);

        // A step of one microbatch with several hundred megabytes of activations.
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2);
        string[] large = ["--set", "training.global_batch=512", "--set", "training.microbatch=512"];
        var run = (await PeftClient.Run(["start-run", "-f", file, "--cluster", gateway, "--run-id", "limited", "-o", "json", .. large]))
            .Succeeded();
        Assert.True(run.Json.GetProperty("recoveries").GetInt32() >= 1, "the limit did not bind");
        await second.Ended.WaitAsync(Patience.Limit);
        var said = await File.ReadAllTextAsync(Path.Combine(cluster, "silo-1.log"));
        Assert.NotEqual(0, second.ExitCode);
        Assert.Matches(
            new Regex("the system has no [1-9][0-9]+ bytes left for a tensor; give this silo more memory, or the run more silos"),
            said);
        Assert.Equal("completed", run.Json.GetProperty("status").GetString());
        Assert.Equal(1, run.Json.GetProperty("silos").GetInt32());

        var alone = (await PeftClient.Run(["start-run", "-f", file, "--cluster", gateway, "--run-id", "alone", "-o", "json", .. large]))
            .Succeeded();
        Assert.Equal(alone.AdapterSha256, run.AdapterSha256);
    }

    /// <summary>Gives a process an address space little larger than what it has.</summary>
    private static void Limit(int pid)
    {
        using var process = Process.GetProcessById(pid);
        using var prlimit = Process.Start("prlimit", [$"--pid={pid}", $"--as={process.VirtualMemorySize64 + Spare}"]);
        prlimit.WaitForExit();
        Assert.Equal(0, prlimit.ExitCode);
    }
}
