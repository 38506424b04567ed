using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>A run goes on without the silos that cannot take part in it: behind a cut, with other files, with other threads.</summary>
public sealed class LeftOutSilosTests
{
    [Fact]
    public async Task A_silo_behind_a_lasting_cut_is_told_nothing_and_costs_no_term()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        var told = new HashSet<string>();
        silos.Before = (silo, message, step) =>
        {
            told.Add(silo.Name);
            if (message != "Apply" || step != 1 || silos.Outside.Count > 0) return;
            silos.Outside = ["c"];
            silos.Add("c");
            run.Loop.MembershipChanged();
        };
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 1, 0), (status.State, status.Term, status.Recoveries));
        Assert.Equal(["a", "b"], told.Order());
    }

    [Fact]
    public async Task A_silo_behind_a_cut_is_planned_in_when_the_network_is_whole()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        var looks = 0;
        var whole = new TaskCompletionSource();
        silos.Looked = () =>
        {
            if (silos.Outside.Count == 0 || ++looks < 3) return;
            silos.Outside = [];
            whole.SetResult();
        };
        silos.Held = step => step == 3 ? whole.Task : Task.CompletedTask;
        silos.Once("Apply", 1, () =>
        {
            silos.Outside = ["c"];
            silos.Add("c");
            run.Loop.MembershipChanged();
        });
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 2, 0), (status.State, status.Term, status.Recoveries));
        Assert.Contains("c", run.Events("term")[1].GetProperty("silos").EnumerateArray().Select(static silo => silo.GetString()));
    }

    [Theory]
    [InlineData("Start", 0)]
    [InlineData("Start", 2)]
    [InlineData("Initialize", 0)]
    public async Task A_silo_that_sees_other_files_is_left_out_and_the_run_goes_on(string message, int step)
    {
        var silos = new FakeSilos(4, "a", "b", "c");
        using var run = new CoordinatedRun(silos);
        silos.Before = (silo, told, of) =>
        {
            if (silo.Name == "b" && told == message && of == step) throw new UnfitSiloException("b", ": model.path: another file");
            if (silo.Name != "c" || step != 2 || told != "Prepare" || of != 3) return;
            silos.Lose("c");
            throw new SiloUnavailableException("silo c is gone");
        };
        var status = await run.Run();
        Assert.Equal(RunState.Completed, status.State);
        Assert.Equal([1, 2, 3, 4], run.Steps);
        Assert.Equal("b", Assert.Single(run.Events("left_out")).GetProperty("silo").GetString());
        Assert.DoesNotContain("b", run.Events("term")[^1].GetProperty("silos").EnumerateArray().Select(static silo => silo.GetString()));
    }

    [Fact]
    public async Task A_silo_with_other_threads_is_left_out_from_the_first_term_on()
    {
        var silos = new FakeSilos(4, "a", "b");
        silos.Silo("b").Threads = 3;
        using var run = new CoordinatedRun(silos);
        var status = await run.Run();
        Assert.Equal((RunState.Completed, 2), (status.State, status.Term));
        Assert.Equal("b", Assert.Single(run.Events("left_out")).GetProperty("silo").GetString());
    }

    [Fact]
    public async Task Without_a_silo_that_can_take_part_the_run_fails_and_names_each()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        silos.Before = static (silo, message, _) =>
        {
            if (message == "Start") throw new UnfitSiloException(silo.Name, ": model.path: another file");
        };
        var status = await run.Run();
        Assert.Equal(
            (RunState.Failed,
                "no silo can take part in the run: silo a: model.path: another file; silo b: model.path: another file"),
            (status.State, status.Message));
    }

    [Fact]
    public async Task The_data_set_is_opened_on_a_silo_that_sees_the_runs_data()
    {
        var silos = new FakeSilos(4, "a", "b", "c");
        silos.OtherData.UnionWith(["a", "b"]);
        using var run = new CoordinatedRun(silos);
        Assert.Equal((RunState.Completed, 1), ((await run.Run()).State, run.Loop.Status.Term));
        Assert.Equal("c", silos.DatasetOn);
        silos.OtherData.Add("c");
        using var nowhere = new CoordinatedRun(silos);
        Assert.Equal(
            (RunState.Failed, "silo b: data.train.path: another file"), ((await nowhere.Run()).State, nowhere.Loop.Status.Message));
    }
}
