using System.Diagnostics;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>A run's folder belongs to one client at a time.</summary>
public sealed class RunLockTests
{
    [Fact]
    public void It_is_taken_once_and_given_back()
    {
        using var workspace = new Workspace();
        var folder = workspace.Path("runs/r");
        using (RunLock.Take(folder, "r"))
        {
            var error = Assert.Throws<ClientException>(() => RunLock.Take(folder, "r"));
            Assert.Equal(ExitCodes.Refused, error.ExitCode);
            Assert.Equal(
                $"run r is running or just being started by process {Environment.ProcessId}; follow it with: peft-client watch r",
                error.Message
            );
        }

        RunLock.Take(folder, "r").Dispose();
        Assert.False(File.Exists(workspace.Path("runs/r/run.pid")));
    }

    [Theory]
    [InlineData("start-run -f run.yaml --set method.lora.rank=8 --run-id done")]
    [InlineData("resume runs/done")]
    public async Task A_second_start_is_refused_before_any_silo_starts_and_a_killed_holder_is_none(string line)
    {
        using var workspace = new Workspace();
        workspace.RunFile();
        Assert.Equal(
            ExitCodes.NoCluster,
            await StartWithASiloThatEnds(workspace, "start-run -f run.yaml --set method.lora.rank=8 --run-id done"));

        // util-linux's flock takes the same lock; the program it becomes holds it until it dies.
        var start = new ProcessStartInfo(
            "flock",
            ["--no-fork", workspace.Path("runs/done/run.lock"), "sh", "-c", "echo held; exec sleep 600"])
        { RedirectStandardOutput = true };
        using var holder = Process.Start(start)!;
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync(Patience.Token));
        Directory.Delete(workspace.Path("runs/done/logs"), recursive: true);
        Assert.Equal(ExitCodes.Refused, await StartWithASiloThatEnds(workspace, line));
        Assert.False(Directory.Exists(workspace.Path("runs/done/logs")));

        holder.Kill();
        await holder.WaitForExitAsync(Patience.Token);
        Assert.Equal(ExitCodes.NoCluster, await StartWithASiloThatEnds(workspace, line));
    }

    private static async Task<int> StartWithASiloThatEnds(Workspace workspace, string line)
    {
        Environment.SetEnvironmentVariable("PEFT_SILO", workspace.Script("peft-silo", "#!/bin/sh\nexit 3\n"));
        try
        {
            return (await TestClient.Run(
                line.Replace("run.yaml", workspace.Path("run.yaml")).Replace("runs/", workspace.Path("runs/")).Split(' '))).ExitCode;
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_SILO", null);
        }
    }
}
