using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// Real silo processes that are killed, frozen, added and taken away while they train: no bit of the result depends on it.
/// </summary>
public sealed class ElasticTests
{
    [Fact]
    public async Task Replicas_share_the_microbatches_and_change_no_bit()
    {
        using var workspace = new Workspace();
        // Five microbatches on three replicas.
        var five = new[] { "--set", "training.global_batch=5", "--set", "training.microbatch=1" };
        var file = EmbeddedModel.RunFile(workspace, replicas: "auto");
        var one = (await PeftClient.Run(["start-run", "-f", file, "--local", "1", "--run-id", "one", "-o", "json", .. five])).Succeeded();
        var three = (
            await PeftClient.Run(["start-run", "-f", file, "--local", "3", "--run-id", "three", "-o", "json", .. five])
        ).Succeeded();
        Assert.Equal(one.AdapterSha256, three.AdapterSha256);
        var term = File.ReadLines(Path.Combine(workspace.Folder, "runs", "three", "events.jsonl"))
            .First(static line => line.Contains("\"term\"", StringComparison.Ordinal));
        Assert.Equal(3, JsonDocument.Parse(term).RootElement.GetProperty("details").GetProperty("replicas").GetInt32());
        Assert.Equal(
            File.ReadAllLines(Path.Combine(workspace.Folder, "runs", "one", "samples.jsonl")),
            File.ReadAllLines(Path.Combine(workspace.Folder, "runs", "three", "samples.jsonl")));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("auto")]
    public async Task The_coordinators_silo_is_killed_and_no_step_is_made_again(string replicas)
    {
        using var elastic = ElasticRun.Start(silos: 2, replicas);
        var run = elastic.Run;
        await run.Reached(5);
        // The first silo holds the coordinator as a rule; both are killed in turn, with another in between.
        elastic.Signal("silo-0", "KILL");
        await run.MoreSteps(3);
        await elastic.Scale(2);
        // The survivor held the only copy until the newcomer had its own: a step on both shows that it has.
        await run.OnSilos(2);
        elastic.Signal("silo-1", "KILL");
        await run.OnSilos(1);
        var json = await elastic.StopsUndisturbed();
        Assert.True(json.GetProperty("recoveries").GetInt32() >= 2);
        elastic.AssertNothingReplayed();
    }

    [Fact]
    public async Task A_silo_that_is_told_to_leave_hands_the_run_over()
    {
        using var elastic = ElasticRun.Start(silos: 2, "1");
        var run = elastic.Run;
        await run.Reached(5);
        // Whichever holds the coordinator: one leaves, another comes, the other leaves.
        var first = elastic.Signal("silo-0", "TERM");
        await run.Until(() => first.HasExited);
        await run.MoreSteps(3);
        await elastic.Scale(2);
        await run.OnSilos(2);
        elastic.Signal("silo-1", "TERM");
        await run.OnSilos(1);
        await elastic.StopsUndisturbed();
        elastic.AssertNothingReplayed();
    }

    [Fact]
    public async Task A_frozen_silo_that_wakes_up_does_no_harm()
    {
        using var elastic = ElasticRun.Start(silos: 2, "1");
        await elastic.Run.Reached(5);
        var frozen = elastic.Signal("silo-1", "STOP");
        await elastic.Run.OnSilos(1);
        elastic.Signal("silo-1", "CONT");
        await frozen.WaitForExitAsync(Patience.Token);
        await elastic.Run.MoreSteps(3);
        var json = await elastic.StopsUndisturbed();
        Assert.True(json.GetProperty("recoveries").GetInt32() >= 1);
    }

    [Fact]
    public async Task Below_its_minimum_a_run_waits_and_goes_on_by_itself()
    {
        using var elastic = ElasticRun.Start(silos: 2, "1", "elastic: { min_silos: 2 }");
        var run = elastic.Run;
        await run.Reached(5);
        elastic.Signal("silo-1", "KILL");
        await run.Until(() =>
            File.ReadAllText(Path.Combine(run.Folder, "status.json"))
                .Contains("waiting for silos: 1 of at least 2", StringComparison.Ordinal)
        );
        await elastic.Scale(2);
        await run.MoreSteps(3);
        await elastic.StopsUndisturbed();
    }

    [Fact]
    public async Task Scaled_up_and_down_by_command()
    {
        using var elastic = ElasticRun.Start(silos: 1, "1");
        await elastic.Run.Reached(3);
        await elastic.Scale(3);
        await elastic.Run.OnSilos(3);
        await elastic.Scale(2);
        await elastic.Run.OnSilos(2);
        await elastic.StopsUndisturbed();
        elastic.AssertNothingReplayed();
    }

    [Fact]
    public async Task The_whole_cluster_dies_and_the_run_is_resumed_from_its_last_snapshot()
    {
        using var elastic = ElasticRun.Start(silos: 2, "1");
        var run = elastic.Run;
        await run.Reached(9);
        foreach (var silo in (string[])["silo-0", "silo-1"]) elastic.Signal(silo, "KILL");
        await run.Ended();
        var done = run.Lines().Length;
        run.Resume("--local", "3");
        await run.Reached(done + 3);
        await elastic.StopsUndisturbed();
        Assert.InRange(run.Events("term")[^1].GetProperty("fromStep").GetInt32(), 1, done);
    }
}
