using Orleans.Runtime;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>A run's folder that is lost while the run is under way.</summary>
public sealed class FolderLossTests
{
    private const string Options = "snapshots: { every: 2 }";

    [Fact]
    public async Task A_folder_that_is_removed_is_made_again_whole()
    {
        var silos = new FakeSilos(6, "a", "b");
        using var run = new CoordinatedRun(silos, Options);
        silos.Once("Apply", 4, () => Directory.Delete(run.Folder.Path, recursive: true));
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 6, 1, 0), (status.State, status.Step, status.Term, status.Recoveries));
        AssertWhole(run, 6);
        Assert.Single(run.Events("folder_lost"));
        Assert.Single(run.Events("folder_rebuilt"));
        Assert.Equal(run.Record.State.Run!.Yaml, File.ReadAllText(run.Folder.RunFile));
    }

    [Fact]
    public async Task Without_a_folder_a_run_goes_on_in_memory_from_term_to_term_and_says_so()
    {
        var silos = new FakeSilos(8, "a", "b", "c");
        using var run = new CoordinatedRun(silos, Options);
        var away = run.Folder.Path + ".away";
        var message = "";
        silos.Before = (_, at, step) =>
        {
            if (at == "Apply" && step == 2 && !File.Exists(run.Folder.Path))
            {
                Directory.Move(run.Folder.Path, away);
                File.WriteAllText(run.Folder.Path, "no folder can be here");
            }
            else if (at == "Prepare" && step == 5 && silos.Lives("b"))
            {
                silos.Lose("b");
                throw new SiloUnavailableException("silo b is gone");
            }
            else if (at == "Apply" && step == 7 && File.Exists(run.Folder.Path))
            {
                message = run.Loop.Status.Message;
                File.Delete(run.Folder.Path);
                Directory.Move(away, run.Folder.Path);
            }
        };
        var status = await run.Run();
        Assert.Contains("lines are kept in memory", message, StringComparison.Ordinal);
        Assert.Equal((RunState.Completed, 8, 2), (status.State, status.Step, status.Term));
        AssertWhole(run, 8);
        Assert.Equal(2, run.Events("term").Length);
    }

    [Fact]
    public async Task At_its_end_a_run_waits_for_a_folder()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos, Options);
        silos.Once("Apply", 3, () =>
        {
            Directory.Delete(run.Folder.Path, recursive: true);
            File.WriteAllText(run.Folder.Path, "no folder can be here");
        });
        run.Time.Waited = () =>
        {
            if (run.Loop.Status.State == RunState.Paused) File.Delete(run.Folder.Path);
        };
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 4), (status.State, status.Step));
        AssertWhole(run, 4);
    }

    [Fact]
    public async Task A_coordinator_that_a_later_one_has_followed_leaves_the_folder_alone()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos, Options);
        var former = await run.Context();
        var later = former with { Term = new Term(former.Term.Counter + 1, Guid.NewGuid()), Copy = new FolderCopy() };
        using var journals = run.Journals(former);
        using var successor = run.Journals(later);
        successor.Event("mine", new { });
        var before = File.ReadAllText(run.Folder.Events);
        await journals.Flush();
        await journals.Settle();
        Assert.Equal(before, File.ReadAllText(run.Folder.Events));
        Assert.False(former.Copy.Away);
    }

    private static void AssertWhole(CoordinatedRun run, int steps)
    {
        Assert.Equal(Enumerable.Range(1, steps), run.Steps);
        Assert.Equal(steps, Journal.ReadValid(run.Folder.Samples).Count);
        Assert.True(File.Exists(run.Folder.AdapterTensors));
        Assert.Equal(steps, new SnapshotStore(run.Folder).Newest(run.Record.State.Run!.Hash)!.Step);
    }
}
