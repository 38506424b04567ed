using System.Diagnostics;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Up to ten kills, freezes and joins at random, by the chaos runner itself.</summary>
public sealed class ChaosTests
{
    [Fact]
    public async Task Ten_events_lose_nothing_and_change_no_byte()
    {
        using var workspace = new Workspace();
        var program = Repository.Built("chaos", "chaos.dll");
        var start = new ProcessStartInfo("dotnet", [program, "--silos", "3", "--events", "10", "--seed", "7", "--work", workspace.Folder])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(Patience.Token);
        Assert.True(process.ExitCode == 0, await errors + await output);
        var report = JsonDocument.Parse(await output).RootElement;
        int Number(string key) => report.GetProperty(key).GetInt32();
        // On a busy machine new silos take longer than the run has steps: what happened must have done no harm, however much it was.
        Assert.InRange(Number("events"), 3, 10);
        Assert.Equal(Number("events"), Number("kills") + Number("freezes") + Number("joins"));
        foreach (var key in (string[])["committedStepsLost", "samplesDropped", "samplesRepeated", "stepsDiffering"])
            Assert.Equal(0, Number(key));
        Assert.True(report.GetProperty("adapterIdentical").GetBoolean());
        Assert.True(report.GetProperty("sampleLogIdentical").GetBoolean());
    }
}
