using Orleans.Storage;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Runs;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>A run whose record's store is away, has lost something, or was written by another.</summary>
public sealed class DurableRecordTests
{
    [Fact]
    public async Task A_store_that_is_away_pauses_the_run_however_long()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b"));
        var (writes, seen) = (0, new List<(RunState State, string Message)>());
        run.Record.Writing = () =>
        {
            seen.Add((run.Loop.Status.State, run.Loop.Status.Message));
            // Far more often than a term is repeated.
            if (++writes <= 40) throw new IOException("connection refused");
        };
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 4, 1), (status.State, status.Step, status.Term));
        Assert.Equal(RunState.Paused, seen[1].State);
        Assert.Contains("the cluster's store cannot be reached", seen[1].Message, StringComparison.Ordinal);
        Assert.Contains("connection refused", seen[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task So_does_one_that_goes_as_the_run_ends()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        var away = 10;
        run.Record.Writing = () =>
        {
            if (run.Loop.Status.Step == 4 && away-- > 0) throw new IOException("connection refused");
        };
        var status = await run.Run();
        Assert.Equal(RunState.Completed, status.State);
        Assert.Equal(RunState.Completed, run.Record.State.Status!.State);
        Assert.Equal(RunState.Completed, Assert.Single(silos.Reports).State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_write_whose_answer_was_lost_or_that_was_lost_itself_is_made_again(bool arrived)
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b"));
        var once = true;
        run.Record.Writing = () =>
        {
            if (!once) return;
            once = false;
            run.Record.Stored = new RunRecord { Term = arrived ? run.Record.State.Term : Term.None };
            throw new InconsistentStateException("another version is stored");
        };
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 4), (status.State, status.Step));
        // What was stored in between is not what the run goes on with.
        Assert.Equal(run.Request, run.Record.State.Request);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public async Task A_coordinator_that_another_has_followed_says_nothing_more(int counter)
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        run.Record.Writing = () =>
        {
            run.Record.Stored = new RunRecord { Term = new Term(counter, Guid.NewGuid()) };
            throw new InconsistentStateException("another version is stored");
        };
        await run.Run();
        Assert.False(run.Loop.Ended);
        Assert.Empty(silos.Reports);
        Assert.NotEqual(RunState.Failed, run.Folder.ReadStatus()!.State);
        Assert.False(File.Exists(run.Folder.Metrics));
    }
}
