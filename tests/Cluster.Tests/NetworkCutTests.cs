using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Cables that are cut while a run trains: between two silos that all others still reach, and to one silo altogether.</summary>
public sealed class NetworkCutTests
{
    /// <summary>Which cable; with PEFT_LONG=1 all kinds.</summary>
    public static TheoryData<int, int?> Cuts => Environment.GetEnvironmentVariable("PEFT_LONG") == "1"
        ? new() { { 1, 2 }, { 0, 1 }, { 0, 2 }, { 0, null }, { 1, null }, { 2, null } }
        : new() { { 1, 2 }, { 0, null } };

    [Theory, MemberData(nameof(Cuts))]
    public async Task The_run_goes_on_without_the_silo_behind_the_cut(int one, int? other)
    {
        await using var network = await NetworkOfSilos.Start(3);
        var file = EmbeddedModel.RunFile(network.Workspace);
        using var run = EndlessRun.Start(arguments => network.Client(arguments), file, "cut", "--cluster", network.Cluster);
        await run.Reached(5);
        if (other is { } second) network.CutBetween(one, second);
        else network.CutOff(one);
        await run.OnSilos(2);
        await run.MoreSteps(3);
        using var stop = network.Client("stop", "cut", "--snapshot", "--cluster", network.Cluster);
        await stop.WaitForExitAsync(Patience.Token);
        Assert.Equal(0, stop.ExitCode);
        var json = await run.Stopped();
        Assert.True(json.GetProperty("recoveries").GetInt32() >= 1);
        Assert.Equal(2, json.GetProperty("silos").GetInt32());
        await run.AssertUndisturbed();

        // Who was left behind knows that it is out, and ends itself.
        var behind = other is null ? [one] : new[] { one, other.Value };
        await Task.WhenAny(behind.Select(silo => network.Silo(silo).WaitForExitAsync(Patience.Token)));
        Assert.Single(behind, silo => network.Silo(silo).HasExited);
    }
}
