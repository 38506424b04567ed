using System.Net.Sockets;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>
/// Each alert is made to fire in a real Prometheus by what it is there for, with the rules shortened (a minute is a second). The others are
/// in <see cref="LongAlertFaultTests"/>.
/// </summary>
public sealed class SilosThatDieTests
{
    [Fact]
    public async Task One_dies_and_the_run_waits_for_it_then_all_are_dead()
    {
        using var run = ElasticRun.Start(silos: 2, "1", extra: "elastic: { min_silos: 2 }");
        await run.Run.Reached(3);
        using var watch = await AlertWatch.Start(new RunFolder(run.Run.Folder).Cluster);
        await watch.Scraped(2);
        await watch.Silent("PeftSiloDown", "PeftNoSilo", "PeftRunStalled");

        run.Signal("silo-1", "KILL").Dispose();
        await watch.Fires("PeftSiloDown");
        await watch.Fires("PeftRunStalled");

        await watch.AssertSilent("PeftNoSilo");
        run.Signal("silo-0", "KILL").Dispose();
        await watch.Fires("PeftNoSilo");
    }
}

/// <summary>Runs that go wrong on a silo that is alone.</summary>
public sealed class RunsThatGoWrongTests
{
    [Fact]
    public async Task Alone_with_little_memory_and_lambda_at_its_bound_scanned_by_strangers_and_then_diverging()
    {
        using var cluster = new SiloCluster();
        using var watch = await AlertWatch.Start(cluster.Folder);
        var port = PrometheusServer.FreePort();
        // Less than the runtime itself takes: plans count weights and activations, which need a tenth of that.
        await cluster.Start("silo-0", "--memory", "128", "--data-port", $"{port}");
        await watch.Scraped(1);
        var collapsed = cluster.Run("collapsed", "hybrid", "method.lambda.min=0.98", "method.lambda.max=0.99");
        await collapsed.Reached(1);
        await watch.AssertSilent("PeftDataPlaneFailures", "PeftRunFailed", "PeftLossNotFinite");

        for (var i = 0; i < 12; i++) await Scan(port);
        await watch.Fires("PeftDataPlaneFailures");

        var diverged = await cluster.Complete(
            "diverged", "lora", "training.optimizer.learning_rate=1.0e+30", "training.steps=100", "training.max_grad_norm=null");
        Assert.NotEqual(0, diverged.ExitCode);
        await watch.Fires("PeftLossNotFinite");
        await watch.Fires("PeftRunFailed");

        await watch.Fires("PeftMemoryNearLimit");
        await watch.Fires("PeftRunUnprotected");
        await watch.Fires("PeftLambdaCollapsed");
    }

    /// <summary>Asks the data port for a web page, as a scanner does, and waits until it hangs up.</summary>
    private static async Task Scan(int port)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", port, Patience.Token);
        var stream = client.GetStream();
        await stream.WriteAsync(new byte[512].Select(static (_, i) => (byte)"GET / HTTP/1.1\r\n"[i % 16]).ToArray(), Patience.Token);
        client.Client.Shutdown(SocketShutdown.Send);
        try
        {
            while (await stream.ReadAsync(new byte[256], Patience.Token) > 0)
            {
                // Whatever is said is not listened to.
            }
        }
        catch (IOException)
        {
            // Hung up by force.
        }
    }
}
