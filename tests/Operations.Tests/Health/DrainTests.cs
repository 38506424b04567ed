using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Health;

/// <summary>
/// Probes and SIGTERM, as a kubelet uses them, while a run trains; a rolling update of all silos is in <c>RollingUpdateTests</c>.
/// </summary>
public sealed class DrainTests : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly List<KubeletSilo> silos = [];
    private readonly Dictionary<string, int> ports = [];

    private string Cluster => Directory.CreateDirectory(Path.Combine(workspace.Folder, "cluster")).FullName;

    [Fact]
    public async Task A_silo_says_whether_it_lives_and_takes_clients_and_is_killed_on_its_way_out_without_harm()
    {
        await Start("silo-0");
        // Steps of some seconds, of which a silo that leaves waits for two.
        var file = EmbeddedModel.RunFile(workspace);
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("global_batch: 8", "global_batch: 16"));
        await Start("silo-1");
        using var run = EndlessRun.Start(file, "killed", "--cluster", Addresses);
        for (var caught = false; !caught;)
        {
            var leaving = silos[^1];
            Assert.Equal((200, "started"), await leaving.Ask("startup"));
            await leaving.Until("ready", 200);
            Assert.Equal((200, "live"), await leaving.Ask("live"));
            await run.Reached(1);
            await run.OnSilos(2);
            leaving.Signal("TERM");
            await Patience.Until(() => leaving.Ended.IsCompleted || leaving.Ask("ready").GetAwaiter().GetResult() == (503, "it leaves"));
            var alive = (await leaving.Ask("live"))?.Code;
            leaving.Signal("KILL");
            await leaving.Ended.WaitAsync(Patience.Limit);
            // On a busy machine it may have been gone before.
            caught = leaving.ExitCode != 0;
            if (caught) Assert.Equal(200, alive);
            await run.OnSilos(1);
            if (!caught) await Start("silo-1");
        }

        await run.Stop("--cluster", silos[0].Gateway);
        await run.AssertUndisturbed();
        Assert.All(run.Events("term"), static term => Assert.Equal(0, term.GetProperty("replayed").GetInt32()));
    }

    [Fact]
    public async Task With_the_last_silo_a_run_stops_with_a_snapshot_and_is_resumed_from_it()
    {
        await Start("silo-0");
        using var run = EndlessRun.Start(EmbeddedModel.RunFile(workspace), "last", "--cluster", Addresses);
        await run.Reached(3);
        await silos[0].Terminate();
        await run.Ended();
        var done = run.Lines().Length;
        Assert.True(File.Exists(Path.Combine(run.Folder, "snapshots", $"step-{done:D6}", "manifest.json")));
        await Start("silo-1");
        run.Resume("--cluster", silos[1].Gateway);
        await run.Reached(done + 2);
        await run.Stop("--cluster", silos[1].Gateway);
        await run.AssertUndisturbed();
        Assert.Equal(done, run.Events("term")[^1].GetProperty("fromStep").GetInt32());
    }

    public void Dispose()
    {
        silos.ForEach(static silo => silo.Dispose());
        workspace.Dispose();
    }

    private string Addresses => string.Join(',', ports.Values.Select(static port => $"127.0.0.1:{port}"));

    /// <summary>Starts a silo, under the address that the one before it of this name had.</summary>
    private async Task Start(string name, params string[] more)
    {
        if (!ports.TryGetValue(name, out var port)) ports[name] = port = Random.Shared.Next(10_240, 32_768);
        silos.Add(await KubeletSilo.Start(Cluster, name, ["--gateway-port", $"{port}", .. more]));
    }
}
