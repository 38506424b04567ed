using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Stores;

/// <summary>Silos that share Redis or PostgreSQL and no folder: each test is against the real server, and to the same bits.</summary>
public sealed class StoreTests
{
    // Silos are woken, and clients wait, as suits a busy machine; both inherit it.
    static StoreTests()
    {
        Environment.SetEnvironmentVariable("PEFT_TIME_WAKE", "2");
        Environment.SetEnvironmentVariable("PEFT_TIME_SILENCE", "1200");
    }

    [Theory]
    [InlineData("redis")]
    [InlineData("postgresql")]
    public async Task A_run_outlives_its_silos_and_the_store_and_loses_nothing(string kind)
    {
        var (cluster, server) = await StoreCluster.Start(kind);
        using var _ = cluster;
        await cluster.Up("a", "b");
        using var run = cluster.StartRun("stored");
        await run.Reached(3);

        // One joins, and the coordinator's silo is killed.
        await cluster.Up("c");
        await run.OnSilos(3);
        await cluster.Kill(await cluster.Coordinator("stored"));
        await run.OnSilos(2);

        // The server hangs: steps are made without it. A silo that dies meanwhile is missed when the store answers again.
        server.Freeze();
        await run.MoreSteps(10);
        var (other, last) = await Survivors(cluster);
        await cluster.Kill(other);
        server.Thaw();
        await run.OnSilos(1);

        // The server is killed, and started again: it is found, and silos join.
        await server.Kill();
        await run.MoreSteps(5);
        await server.Start();
        await cluster.Up("d");
        await run.OnSilos(2);
        await run.MoreSteps(3);

        // All silos die. Some come back, and the run goes on by itself.
        await cluster.Kill(last, "d");
        var steps = run.Lines().Length;
        await cluster.Up("a", "b");
        await run.Reached(steps + 3);
        await run.Stop("--cluster", cluster.Address);
        await run.AssertUndisturbed();
        if (server is PostgresqlServer)
            Assert.All(cluster.Living(), name => Assert.DoesNotContain(PostgresqlServer.Password, cluster.Said(name)));
    }

    private static async Task<(string Other, string Coordinator)> Survivors(StoreCluster cluster)
    {
        var living = cluster.Living().ToArray();
        var coordinator = await cluster.Coordinator("stored");
        return (living.Single(name => name != coordinator), coordinator);
    }
}
