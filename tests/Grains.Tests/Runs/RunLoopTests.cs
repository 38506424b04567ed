using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>What a run makes of its terms' outcomes.</summary>
public sealed class RunLoopTests
{
    [Fact]
    public async Task A_finished_run_has_every_step_once_its_adapter_and_a_place_in_the_catalog()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 4, 1, 0), (status.State, status.Step, status.Term, status.Recoveries));
        Assert.Equal([1, 2, 3, 4], run.Steps);
        Assert.True(File.Exists(run.Folder.AdapterTensors));
        Assert.Equal(FileHash.Of(run.Folder.AdapterTensors), status.AdapterSha256);
        Assert.Equal(new Dictionary<string, long> { ["a"] = 7, ["b"] = 7 }, status.PeakMemory);
        Assert.Equal(RunState.Completed, run.Folder.ReadStatus()!.State);
        Assert.Equal(RunState.Completed, Assert.Single(silos.Reports).State);
        Assert.True(run.Loop.Ended);
    }

    [Fact]
    public async Task A_silo_that_joins_is_planned_in_and_is_no_recovery()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Once("Apply", 2, () =>
        {
            silos.Add("c");
            run.Loop.MembershipChanged();
        });
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 2, 0), (status.State, status.Term, status.Recoveries));
        Assert.Equal([1, 2, 3, 4], run.Steps);
        Assert.Equal([0, 2], run.Events("term").Select(static term => term.GetProperty("fromStep").GetInt32()));
        Assert.Single(run.Events("joining"));
    }

    [Fact]
    public async Task A_lost_silo_costs_a_term_and_no_reported_step()
    {
        var silos = new FakeSilos(4, "a", "b", "c");
        using var run = new CoordinatedRun(silos);
        silos.Once("Prepare", 3, () =>
        {
            silos.Lose("b");
            throw new SiloUnavailableException("silo b is gone");
        });
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 2, 1), (status.State, status.Term, status.Recoveries));
        Assert.Equal([1, 2, 3, 4], run.Steps);
        Assert.Equal("silo b is gone", Assert.Single(run.Events("term_ended")).GetProperty("reason").GetString());
        Assert.Equal(2, run.Events("term")[1].GetProperty("fromStep").GetInt32());
        Assert.Single(run.Events("recovered"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_stopped_on_demand_writes_a_snapshot_where_it_was_asked_for(bool snapshot)
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Once("Apply", 2, () => run.Loop.AskStop(snapshot));
        var status = await run.Run();
        Assert.Equal((RunState.Stopped, 2), (status.State, status.Step));
        Assert.Equal(snapshot, Directory.Exists(run.Folder.Snapshot(2)));
        Assert.Equal(!snapshot, status.Message.EndsWith("from the last snapshot", StringComparison.Ordinal));
        Assert.False(Directory.Exists(run.Folder.Adapter));
    }

    [Fact]
    public async Task A_stop_before_the_first_step_needs_no_silo()
    {
        var silos = new FakeSilos(4);
        using var run = new CoordinatedRun(silos);
        run.Loop.AskStop(snapshot: false);
        var status = await run.Run();
        Assert.Equal((RunState.Stopped, 0), (status.State, status.Term));
    }

    [Fact]
    public async Task A_run_that_stops_early_is_completed_with_its_results()
    {
        var silos = new FakeSilos(9, "a", "b") { ValidationLoss = static step => step <= 3 ? 1.0 / step : 1 + step };
        silos.Data.ValidationBatches = 1;
        using var run = new CoordinatedRun(
            silos, "training: { steps: 9, global_batch: 1, validate_every: 1, early_stopping: { patience: 2, keep_best: true } }");
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 5), (status.State, status.Step));
        Assert.Equal([1, 2, 3, 4, 5], run.Steps);
        Assert.Equal([1, 2, 3], run.Events("best").Select(static best => best.GetProperty("step").GetInt32()));
        Assert.True(File.Exists(run.Folder.AdapterTensors));
    }

    [Fact]
    public async Task An_error_of_the_user_ends_the_run_with_its_text_and_is_not_tried_again()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Before = static (_, message, step) =>
        {
            if (message == "Apply" && step == 2) throw new PeftException("layer 1: mount the disk for writing");
        };
        var status = await run.Run();
        Assert.Equal((RunState.Failed, "layer 1: mount the disk for writing", 1), (status.State, status.Message, status.Term));
        Assert.Equal(RunState.Failed, run.Record.State.Status!.State);
    }

    [Fact]
    public async Task Terms_without_progress_are_tried_six_times_and_the_silos_links_looked_at()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Before = static (_, message, _) =>
        {
            if (message == "Start") throw new InvalidOperationException("the data plane broke");
        };
        var status = await run.Run();
        Assert.Equal((RunState.Failed, 6, 5), (status.State, status.Term, status.Recoveries));
        Assert.Contains("the data plane broke", status.Message, StringComparison.Ordinal);
        Assert.Equal(6, silos.Mended);
        Assert.Equal(5, run.Time.Pauses);
    }

    [Fact]
    public async Task Progress_begins_the_attempts_anew()
    {
        // Every second term makes one step before it fails: never six in a row without one.
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        var failures = 0;
        silos.Before = (_, message, step) =>
        {
            if (message == "Prepare" && step > 1 && failures < 4 * step)
            {
                failures++;
                throw new InvalidOperationException("again");
            }
        };
        var status = await run.Run();
        Assert.Equal(RunState.Completed, status.State);
        Assert.True(status.Term > 6, $"{status.Term} terms");
        Assert.Equal([1, 2, 3, 4], run.Steps);
    }

    [Fact]
    public async Task A_run_under_way_is_one_in_its_folder_for_when_nobody_is_left_to_ask()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        var told = new List<RunState>();
        silos.Before = (_, message, step) =>
        {
            if (message == "Prepare" && step == 3) told.Add(run.Folder.ReadStatus()!.State);
        };
        await run.Run();
        Assert.NotEmpty(told);
        Assert.All(told, static state => Assert.Equal(RunState.Running, state));
    }

    [Fact]
    public async Task A_deactivated_coordinator_writes_nothing_more()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Once("Apply", 2, () => run.Loop.Abandon());
        await run.Run();
        Assert.False(run.Loop.Ended);
        Assert.Empty(silos.Reports);
        Assert.Equal(RunState.Starting, run.Record.State.Status!.State);
        Assert.Empty(run.Events("term_ended"));
    }

    [Fact]
    public async Task A_silo_that_shuts_down_leaves_the_run_alive_for_another()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Before = (_, message, step) =>
        {
            if (message != "Prepare" || step != 1) return;
            run.StopSilo();
            throw new SiloUnavailableException("this silo shuts down");
        };
        await run.Run();
        Assert.False(run.Loop.Ended);
        Assert.Empty(silos.Reports);
        Assert.Equal(RunState.Starting, run.Record.State.Status!.State);
        Assert.Equal(0, silos.Mended);
    }

    [Fact]
    public async Task Too_few_silos_are_waited_for()
    {
        var silos = new FakeSilos(4, "a");
        using var run = new CoordinatedRun(silos, "elastic: { min_silos: 2 }");
        var status = await CoordinatedRun.AsGrain(async () =>
        {
            var running = run.Loop.Run();
            Assert.Equal(RunState.Paused, run.Loop.Status.State);
            Assert.Contains("1 of at least 2 (elastic.min_silos)", run.Loop.Status.Message, StringComparison.Ordinal);
            Assert.Equal(RunState.Paused, run.Folder.ReadStatus()!.State);
            silos.Add("b");
            run.Loop.MembershipChanged();
            await running;
            return run.Loop.Status;
        });
        Assert.Equal((RunState.Completed, 1), (status.State, status.Term));
    }
}
