using Orleans.Runtime;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>Silos that are told to leave, and ask until they may; silos that never take seats.</summary>
public sealed class DeparturesTests
{
    private const string TenSteps = "training: { steps: 10, global_batch: 1 }\nsnapshots: { every: 100 }";

    [Fact]
    public async Task A_silo_that_leaves_costs_two_terms_between_steps_and_no_recovery()
    {
        var silos = new FakeSilos(10, "a", "b", "c");
        using var run = new CoordinatedRun(silos, TenSteps);
        var gone = LeavesAt(silos, run, "b", step: 2);
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 0), (status.State, status.Recoveries));
        Assert.True(gone.Task.IsCompleted, "b was never free to go");
        Assert.Equal(Enumerable.Range(1, 10), run.Steps);
        Assert.Equal("b", Assert.Single(run.Events("leaving")).GetProperty("silo").GetString());
        Assert.Empty(run.Events("term_ended"));
        var terms = run.Events("term");
        Assert.Equal(3, terms.Length);
        Assert.All(terms, static term => Assert.Equal(0, term.GetProperty("replayed").GetInt32()));
        // It gives what it has in the second, and is none of the third.
        string[][] members = [.. terms.Select(static term => term.GetProperty("silos").EnumerateArray()
            .Select(static silo => silo.GetString()!).ToArray())];
        Assert.Equal([["a", "b", "c"], ["a", "b", "c"], ["a", "c"]], members);
    }

    [Fact]
    public async Task The_coordinator_ends_between_steps_when_its_own_silo_leaves()
    {
        var silos = new FakeSilos(10, "a", "b");
        using var run = new CoordinatedRun(silos, TenSteps);
        var gone = LeavesAt(silos, run, "a", step: 2);
        var status = await run.Run();
        Assert.True(run.Loop.Left);
        Assert.Equal(RunState.Running, status.State);
        // It goes to the silo that stays, and is asked there when this one may go.
        Assert.Equal(silos.Silo("b").Address, run.Loop.GoesTo);
        Assert.False(await CoordinatedRun.AsGrain(() => run.Loop.Leave(silos.Silo("a").Address)));
        Assert.False(gone.Task.IsCompleted);
        Assert.Equal(Enumerable.Range(1, run.Steps.Length), run.Steps);
        Assert.InRange(run.Steps.Length, 3, 9);
    }

    [Fact]
    public async Task With_the_last_silo_a_run_stops_and_leaves_a_snapshot()
    {
        var silos = new FakeSilos(10, "a", "control");
        silos.Silo("control").Seatless = true;
        using var run = new CoordinatedRun(silos, TenSteps);
        LeavesAt(silos, run, "a", step: 2);
        var status = await run.Run();
        Assert.Equal(RunState.Stopped, status.State);
        Assert.True(Directory.Exists(run.Folder.Snapshot(run.Steps[^1])));
    }

    [Fact]
    public async Task Below_its_minimum_a_run_waits_between_steps_and_goes_on_with_who_comes()
    {
        var silos = new FakeSilos(10, "a", "b");
        using var run = new CoordinatedRun(silos, TenSteps + "\nelastic: { min_silos: 2 }");
        LeavesAt(silos, run, "b", step: 2);
        var leaving = silos.Silo("b").Address;
        var ran = run.Run();
        // While it waits, no message comes at which the silo of these tests would ask.
        while (run.Loop.Status.State != RunState.Paused || !await run.Loop.Leave(leaving)) await Task.Yield();
        silos.Lose("b");
        Assert.Equal(RunState.Paused, run.Loop.Status.State);
        silos.Add("c");
        run.Loop.MembershipChanged();
        Assert.Equal(RunState.Completed, (await ran).State);
        Assert.Equal(Enumerable.Range(1, 10), run.Steps);
    }

    [Fact]
    public async Task A_silo_without_seats_is_of_the_run_and_computes_nothing_whatever_its_threads()
    {
        var silos = new FakeSilos(4, "a", "b", "control");
        silos.Silo("control").Seatless = true;
        silos.Silo("control").Threads = 64;
        using var run = new CoordinatedRun(silos);
        Assert.Equal(RunState.Completed, (await run.Run()).State);
        Assert.Empty(run.Events("left_out"));
        Assert.Equal(2, Assert.Single(run.Events("term")).GetProperty("silos").GetArrayLength() - 1);
    }

    /// <summary>
    /// From the first apply of a step on a silo takes no seats, and asks with every message whether it may go; then it is gone.
    /// </summary>
    private static TaskCompletionSource LeavesAt(FakeSilos silos, CoordinatedRun run, string name, int step)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var leaving = silos.Silo(name);
        silos.Before = (_, message, of) =>
        {
            leaving.Seatless |= message == "Apply" && of == step;
            if (leaving.Seatless && !gone.Task.IsCompleted) Ask().Ignore();
        };
        return gone;

        async Task Ask()
        {
            if (!await run.Loop.Leave(leaving.Address) || gone.Task.IsCompleted || name == silos.Self) return;
            silos.Lose(name);
            run.Loop.MembershipChanged();
            gone.TrySetResult();
        }
    }
}
