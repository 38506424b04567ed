using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Orleans.Runtime;
using Peft.Orleans.Silo.Stores;

namespace Peft.Orleans.Silo.Tests;

public sealed class JoinTurnTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-turn-").FullName;
    private readonly List<string> seen = [];

    private string TurnFile => Path.Combine(folder, "join.lock");

    [Fact]
    public async Task A_silo_joins_only_after_another_has_become_active()
    {
        var joining = new TaskCompletionSource();
        var first = Silo("first", joining.Task).OnStart(CancellationToken.None);
        var second = Silo("second", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["first joins"], seen);

        joining.SetResult();
        await Task.WhenAll(first, second);
        Assert.Equal(["first joins", "first is active", "second joins", "second is active"], seen);
    }

    [Fact]
    public async Task A_silo_that_fails_to_join_gives_its_turn_back()
    {
        var first = Silo("first", Task.FromException(new InvalidOperationException("no membership")));
        await Assert.ThrowsAnyAsync<Exception>(() => first.OnStart(CancellationToken.None));
        await first.OnStop(CancellationToken.None);
        await Silo("second", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["first joins", "second joins", "second is active"], seen);
    }

    [Fact]
    public async Task A_turn_that_is_held_for_long_is_not_waited_for()
    {
        using var frozen = new FileStream(TurnFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        await Silo("second", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["second joins", "second is active"], seen);
    }

    [Fact]
    public async Task The_turn_of_a_killed_process_is_free()
    {
        // util-linux's flock takes the same lock; the program it becomes holds it until it dies.
        var start = new ProcessStartInfo("flock", ["--no-fork", TurnFile, "sh", "-c", "echo held; exec sleep 600"])
        {
            RedirectStandardOutput = true,
        };
        using var holder = Process.Start(start)!;
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());
        var joining = new TaskCompletionSource();
        var second = Silo("second", joining.Task).OnStart(CancellationToken.None);
        Assert.Empty(seen);

        holder.Kill();
        await holder.WaitForExitAsync();
        while (seen.Count == 0) await Task.Yield();
        // It has the turn itself, and did not merely lose patience.
        Assert.Throws<IOException>(() => new FileStream(TurnFile, FileMode.Open, FileAccess.ReadWrite, FileShare.None));
        joining.SetResult();
        await second;
    }

    [Fact]
    public async Task Where_no_turn_is_to_be_had_a_silo_joins_without()
    {
        Directory.CreateDirectory(TurnFile);
        await Silo("only", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["only joins", "only is active"], seen);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private SiloLifecycleSubject Silo(string name, Task joining)
    {
        var lifecycle = new SiloLifecycleSubject(NullLogger<SiloLifecycleSubject>.Instance);
        new JoinTurn(new SqliteStore(folder)).Participate(lifecycle);
        lifecycle.Subscribe(name, ServiceLifecycleStage.AfterRuntimeGrainServices, _ =>
        {
            seen.Add(name + " joins");
            return joining;
        });
        lifecycle.Subscribe(name, ServiceLifecycleStage.BecomeActive, _ =>
        {
            seen.Add(name + " is active");
            return Task.CompletedTask;
        });
        return lifecycle;
    }
}
