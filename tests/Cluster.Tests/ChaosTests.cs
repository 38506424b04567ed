using System.Diagnostics;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Ten kills, freezes and joins at random, by the chaos runner itself.</summary>
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
        Assert.Equal(10, Number("events"));
        Assert.Equal(10, Number("kills") + Number("freezes") + Number("joins"));
        foreach (var key in (string[])["committedStepsLost", "samplesDropped", "samplesRepeated", "stepsDiffering"])
            Assert.Equal(0, Number(key));
        Assert.True(report.GetProperty("adapterIdentical").GetBoolean());
        Assert.True(report.GetProperty("sampleLogIdentical").GetBoolean());
    }
}
