using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Cables that are cut while a run trains: between two silos that all others still reach, and to one silo altogether.</summary>
public sealed class NetworkCutTests
{
    private const int Steps = 120;

    /// <summary>Which cable; with PEFT_LONG=1 all kinds.</summary>
    public static TheoryData<int, int?> Cuts => Environment.GetEnvironmentVariable("PEFT_LONG") == "1"
        ? new() { { 1, 2 }, { 0, 1 }, { 0, 2 }, { 0, null }, { 1, null }, { 2, null } }
        : new() { { 1, 2 }, { 0, null } };

    [Theory, MemberData(nameof(Cuts))]
    public async Task The_run_goes_on_without_the_silo_behind_the_cut(int one, int? other)
    {
        await using var network = await NetworkOfSilos.Start(3);
        var file = EmbeddedModel.RunFile(network.Workspace, steps: Steps);
        var undisturbed = await UndisturbedRun.Of(Steps);
        var folder = Path.Combine(network.Folder, "runs", "cut");
        using var client = network.Client("start-run", "-f", file, "--cluster", network.Cluster, "--run-id", "cut", "-o", "json");
        var output = client.StandardOutput.ReadToEndAsync();
        var errors = client.StandardError.ReadToEndAsync();
        var metrics = Path.Combine(folder, "metrics.jsonl");
        await Patience.Until(() => client.HasExited || (File.Exists(metrics) && File.ReadLines(metrics).Count() >= 5));
        Assert.False(client.HasExited, client.HasExited ? await errors + await output + network.Logs : "");
        if (other is { } second) network.CutBetween(one, second);
        else network.CutOff(one);

        await client.WaitForExitAsync(Patience.Token);
        Assert.True(client.ExitCode == 0, await errors + await output + network.Logs);
        var json = JsonDocument.Parse((await output).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]).RootElement;
        Assert.Equal("completed", json.GetProperty("status").GetString());
        Assert.True(json.GetProperty("recoveries").GetInt32() >= 1);
        Assert.Equal(2, json.GetProperty("silos").GetInt32());
        undisturbed.AssertSame(folder);

        // Who was left behind knows that it is out, and ends itself.
        var behind = other is null ? [one] : new[] { one, other.Value };
        await Task.WhenAny(behind.Select(silo => network.Silo(silo).WaitForExitAsync(Patience.Token)));
        Assert.Single(behind, silo => network.Silo(silo).HasExited);
    }
}
