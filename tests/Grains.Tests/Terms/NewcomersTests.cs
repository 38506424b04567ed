using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>Silos that come and go while a term goes on.</summary>
public sealed class NewcomersTests : IDisposable
{
    private readonly FakeSilos silos = new(4, "a", "b");
    private readonly CoordinatedRun run;
    private readonly List<string> preloaded = [];

    public NewcomersTests()
    {
        run = new CoordinatedRun(silos);
        silos.Before = (silo, message, _) =>
        {
            if (message == "Preload") preloaded.Add(silo.Name);
        };
    }

    [Fact]
    public async Task Nobody_is_welcomed_before_there_is_a_plan()
    {
        var (term, newcomers) = await Begin(planned: false);
        silos.Add("c");
        Assert.Equal(Arrivals.None, await newcomers.Look());
        CoordinatedRun.Plan(term);
        Assert.Equal(Arrivals.Ready, await newcomers.Look());
    }

    [Fact]
    public async Task Whoever_comes_loads_before_the_term_ends_and_is_welcomed_once()
    {
        var (_, newcomers) = await Begin();
        Assert.Equal(Arrivals.None, await newcomers.Look());
        silos.Add("c");
        Assert.Equal(Arrivals.Ready, await newcomers.Look());
        Assert.Equal(["a", "b", "c"], preloaded.Order());
        Assert.Equal(Arrivals.None, await newcomers.Look());
    }

    [Fact]
    public async Task Whoever_could_not_load_is_welcomed_again()
    {
        var (_, newcomers) = await Begin();
        silos.Add("c");
        var ready = silos.Before;
        silos.Before = static (silo, message, _) =>
        {
            if (message == "Preload" && silo.Name == "c") throw new TimeoutException("still starting");
        };
        Assert.Equal(Arrivals.NotReady, await newcomers.Look());
        silos.Before = ready;
        Assert.Equal(Arrivals.Ready, await newcomers.Look());
    }

    [Fact]
    public async Task Whoever_sees_other_files_is_left_out_by_name_and_others_are_welcomed()
    {
        var (_, newcomers) = await Begin();
        silos.Add("c");
        silos.Add("d");
        var told = new List<string>();
        silos.Before = (silo, message, _) =>
        {
            if (message == "LeaveOut") told.Add(silo.Name);
            if (message == "Preload" && silo.Name == "c") throw new UnfitSiloException("c", ": model.path: config.json changed");
        };
        Assert.Equal(Arrivals.NotReady, await newcomers.Look());
        Assert.Equal(Arrivals.Ready, await newcomers.Look());
        Assert.Equal(Arrivals.None, await newcomers.Look());
        Assert.Equal(["c"], told);
        var left = Assert.Single(run.Events("left_out"));
        Assert.Equal("c", left.GetProperty("silo").GetString());
        Assert.Equal("silo c: model.path: config.json changed", left.GetProperty("reason").GetString());
        // Started again, it is asked again.
        silos.Add("c");
        Assert.Equal(Arrivals.NotReady, await newcomers.Look());
    }

    [Fact]
    public async Task Whoever_computes_with_other_threads_is_left_out()
    {
        var (_, newcomers) = await Begin();
        silos.Add("c").Threads = 2;
        Assert.Equal(Arrivals.NotReady, await newcomers.Look());
        Assert.Equal(Arrivals.None, await newcomers.Look());
        Assert.Empty(preloaded);
        Assert.Contains("--threads 0", Assert.Single(run.Events("left_out")).GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silo_of_the_term_that_is_gone_or_was_started_again_is_a_loss()
    {
        var (_, newcomers) = await Begin();
        silos.Lose("b");
        Assert.Equal("silo b is gone", (await Assert.ThrowsAsync<SiloUnavailableException>(newcomers.Look)).Message);
        silos.Add("b");
        await Assert.ThrowsAsync<SiloUnavailableException>(newcomers.Look);
    }

    public void Dispose() => run.Dispose();

    private async Task<(TermContext Term, Newcomers Newcomers)> Begin(bool planned = true)
    {
        var term = await run.Context();
        if (planned) CoordinatedRun.Plan(term);
        return (term, new Newcomers(term, silos, run.Journals(term), NullLogger.Instance));
    }
}
