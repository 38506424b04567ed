using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Orleans.Runtime;

namespace Peft.Orleans.Silo.Tests;

public sealed class JoinTurnTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("peft-turn-").FullName;
    private readonly List<string> _seen = [];

    [Fact]
    public async Task A_silo_joins_only_after_another_has_become_active()
    {
        var joining = new TaskCompletionSource();
        var first = Silo("first", joining.Task).OnStart(CancellationToken.None);
        var second = Silo("second", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["first joins"], _seen);

        joining.SetResult();
        await Task.WhenAll(first, second);
        Assert.Equal(["first joins", "first is active", "second joins", "second is active"], _seen);
    }

    [Fact]
    public async Task A_silo_that_fails_to_join_gives_its_turn_back()
    {
        var first = Silo("first", Task.FromException(new InvalidOperationException("no membership")));
        await Assert.ThrowsAnyAsync<Exception>(() => first.OnStart(CancellationToken.None));
        await first.OnStop(CancellationToken.None);
        await Silo("second", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["first joins", "second joins", "second is active"], _seen);
    }

    [Fact]
    public async Task A_turn_that_is_held_for_long_is_not_waited_for()
    {
        using var frozen = new FileStream(Path.Combine(_folder, "join.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        await Silo("second", Task.CompletedTask).OnStart(CancellationToken.None);
        Assert.Equal(["second joins", "second is active"], _seen);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private SiloLifecycleSubject Silo(string name, Task joining)
    {
        var lifecycle = new SiloLifecycleSubject(NullLogger<SiloLifecycleSubject>.Instance);
        new JoinTurn(_folder).Participate(lifecycle);
        lifecycle.Subscribe(name, ServiceLifecycleStage.AfterRuntimeGrainServices, _ =>
        {
            _seen.Add(name + " joins");
            return joining;
        });
        lifecycle.Subscribe(name, ServiceLifecycleStage.BecomeActive, _ =>
        {
            _seen.Add(name + " is active");
            return Task.CompletedTask;
        });
        return lifecycle;
    }
}
