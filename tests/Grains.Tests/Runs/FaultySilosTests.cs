using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>Silos that compute other bytes than the others: who is wrong is found out, and evicted.</summary>
public sealed class FaultySilosTests
{
    private const string Replicas = "compute: { replicas: 2 }\nsnapshots: { every: 100 }\ntraining: { steps: 4, global_batch: 6 }";
    private const string ThreeReplicas = "compute: { replicas: 3 }\nsnapshots: { every: 100 }\ntraining: { steps: 4, global_batch: 6 }";

    [Fact]
    public async Task Of_two_the_one_whose_bytes_change_when_the_step_is_made_again_is_evicted()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos, Replicas);
        var applied = new List<(string Silo, int Step)>();
        silos.Hash = (silo, layer, step) =>
        {
            if (layer == 1) applied.Add((silo, step));
            return silo == "b" && layer == 1 && step == 2 && applied.Count(at => at == ("b", 2)) == 1 ? "wrong" : $"{layer}.{step}";
        };
        var status = await run.Run();
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.Equal([1, 2, 3, 4], run.Steps);
        var evicted = Assert.Single(run.Events("evicted"));
        Assert.Equal("b", evicted.GetProperty("silo").GetString());
        Assert.Contains("layer 1 in step 2", evicted.GetProperty("reason").GetString(), StringComparison.Ordinal);
        // The first time nobody could tell; the third the word of the one that was wrong does not count any more.
        Assert.Equal(3, applied.Count(static at => at == ("a", 2)));
        Assert.Equal([0, 1, 1], run.Events("term").Select(static term => term.GetProperty("fromStep").GetInt32()));
        Assert.DoesNotContain("b", run.Events("term")[^1].GetProperty("silos").EnumerateArray().Select(static silo => silo.GetString()));
    }

    [Fact]
    public async Task Of_three_the_one_that_differs_is_evicted_at_once()
    {
        var silos = new FakeSilos(4, "a", "b", "c");
        using var run = new CoordinatedRun(silos, ThreeReplicas);
        silos.Hash = static (silo, layer, step) => silo == "c" && layer == 0 && step >= 2 ? "wrong" : $"{layer}.{step}";
        var status = await run.Run();
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.Equal([1, 2, 3, 4], run.Steps);
        Assert.Equal("c", Assert.Single(run.Events("evicted")).GetProperty("silo").GetString());
        Assert.Equal(2, status.Term);
    }

    [Fact]
    public async Task Two_that_differ_in_the_same_way_again_stop_the_run()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos, Replicas);
        silos.Hash = static (silo, layer, step) => silo == "b" && step == 3 ? "wrong" : $"{layer}.{step}";
        var status = await run.Run();
        Assert.Equal(RunState.Failed, status.State);
        Assert.Contains("layer 0 differs between its seats after step 3, and again", status.Message, StringComparison.Ordinal);
        Assert.Empty(run.Events("evicted"));
        Assert.Equal([1, 2], run.Steps);
    }

    [Fact]
    public async Task Of_two_the_one_that_gives_another_wrong_answer_every_time_is_evicted()
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos, Replicas);
        var wrong = 0;
        silos.Hash = (silo, layer, step) => silo == "b" && step >= 2 ? $"wrong {++wrong}" : $"{layer}.{step}";
        var status = await run.Run();
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.Equal("b", Assert.Single(run.Events("evicted")).GetProperty("silo").GetString());
        Assert.Equal([1, 2, 3, 4], run.Steps);
    }

    [Fact]
    public async Task A_silo_whose_own_memory_has_changed_is_evicted_and_the_step_made_again()
    {
        var silos = new FakeSilos(4, "a", "b", "c");
        using var run = new CoordinatedRun(silos);
        silos.Before = static (silo, message, step) =>
        {
            if (silo.Name == "b" && message == "Apply" && step == 3)
                throw new FaultySiloException(["b"], ": version 2 has changed in memory since it was computed");
        };
        var status = await run.Run();
        Assert.True(status.State == RunState.Completed, status.Message);
        Assert.Equal([1, 2, 3, 4], run.Steps);
        Assert.Equal("b", Assert.Single(run.Events("evicted")).GetProperty("silo").GetString());
    }

    [Fact]
    public async Task The_last_silo_is_not_evicted_the_run_stops()
    {
        var silos = new FakeSilos(4, "a");
        using var run = new CoordinatedRun(silos);
        silos.Before = static (silo, message, step) =>
        {
            if (message == "Apply" && step == 3)
                throw new FaultySiloException(["a"], ": version 2 has changed in memory since it was computed");
        };
        var status = await run.Run();
        Assert.Equal(
            (RunState.Failed, "silo a: version 2 has changed in memory since it was computed"), (status.State, status.Message));
    }
}
