using Microsoft.Extensions.Logging.Abstractions;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>What is made of the answers to a term's fences.</summary>
public sealed class FencingTests : IDisposable
{
    private readonly FakeSilos silos = new(4, "a", "b", "c");
    private readonly CoordinatedRun run;

    public FencingTests() => run = new CoordinatedRun(silos);

    [Fact]
    public async Task A_version_comes_from_the_first_silo_that_holds_it()
    {
        silos.Silo("c").Inventory = new() { [0] = [2, 3], [1] = [3], [2] = [3] };
        silos.Silo("b").Inventory = new() { [1] = [3] };
        silos.Silo("a").Inventory = new() { [0] = [2], [1] = [2], [2] = [2] };
        var fencing = await Fenced(await run.Context());
        Assert.Equal(new Dictionary<int, string> { [0] = "c", [1] = "b", [2] = "c" }, fencing.Holders(3));
        Assert.Empty(fencing.Holders(1));
        Assert.Equal(["a", "b", "c"], fencing.Silos.Select(static silo => silo.Silo.Name));
    }

    [Fact]
    public async Task A_silo_with_another_number_of_threads_is_named_with_what_to_do()
    {
        // These silos say 0 threads, and so does the run, until it says another number.
        var term = await run.Context();
        (await Fenced(term)).RequireThreads();
        var other = await Fenced(term with { Run = term.Run with { Threads = 2 } });
        var error = Assert.Throws<UnfitSiloException>(other.RequireThreads);
        Assert.Equal(
            "silo a computes with 0 threads, but the run was created for 2 (compute.threads_per_silo); start it with --threads 2",
            error.Message
        );
    }

    [Fact]
    public async Task The_coordinators_own_silo_is_never_declared_dead()
    {
        silos.Before = static (silo, _, _) =>
        {
            if (silo.Name == "a") throw new TimeoutException("busy");
        };
        var term = await run.Context();
        await Assert.ThrowsAsync<TimeoutException>(() => Of(term).Fence("a"));
        Assert.Equal(["a", "b", "c"], (await silos.Live()).Keys);
    }

    public void Dispose() => run.Dispose();

    private Fencing Of(TermContext term) => new(term, silos, run.Time, NullLogger.Instance);

    private async Task<Fencing> Fenced(TermContext term)
    {
        var fencing = Of(term);
        var protocol = new CoordinatorProtocol(term.Data.Steps);
        protocol.Begin(term.Live.Keys);
        foreach (var silo in term.Live.Keys) (await fencing.Fence(silo))(protocol);
        return fencing;
    }
}
