using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>The patience of a start: what is said, and how it ends.</summary>
public sealed class StartWatchTests
{
    private static readonly ClusterTimes Talkative = new() { Word = TimeSpan.Zero };

    [Fact]
    public async Task What_is_waited_for_is_said_once_and_again_when_it_changes()
    {
        using var errors = new StringWriter { NewLine = "\n" };
        using var watch = Watch(errors, Patience.Limit);
        var missing = new Queue<string>(["silo-0, silo-1", "silo-0, silo-1", "silo-1", ""]);
        await watch.Until(
            () => $"{missing.Peek()} to start",
            () => Task.FromResult(missing.Count == 1 || missing.Dequeue().Length == 0),
            Failure);
        Assert.Equal("waiting for silo-0, silo-1 to start\nwaiting for silo-1 to start\nwaiting for  to start\n", errors.ToString());
    }

    [Fact]
    public async Task A_moment_is_not_worth_a_word()
    {
        using var errors = new StringWriter();
        using var watch = Watch(errors, Patience.Limit, new ClusterTimes { Word = Patience.Limit });
        var asked = 0;
        await watch.Until(static () => "silo-0", () => Task.FromResult(++asked == 3), Failure);
        Assert.Equal("", errors.ToString());
    }

    [Fact]
    public async Task A_call_that_is_lost_is_made_again_and_a_refusal_is_the_answer()
    {
        using var watch = Watch(TextWriter.Null, Patience.Limit);
        var calls = 0;
        Assert.Equal(
            3,
            await watch.Answered("an answer", () => ++calls < 3 ? throw new TimeoutException() : Task.FromResult(calls), Failure));
        await Assert.ThrowsAsync<PeftException>(
            () => watch.Answered<int>("an answer", static () => throw new PeftException("no"), Failure));
    }

    [Fact]
    public async Task Patience_ends_also_while_an_answer_is_outstanding()
    {
        using var watch = Watch(TextWriter.Null, TimeSpan.FromSeconds(0.05));
        var error = await Assert.ThrowsAsync<ClientException>(
            () => watch.Until(static () => "silo-0 to answer", static () => new TaskCompletionSource<bool>().Task, Failure));
        Assert.Equal("waited for silo-0 to answer", error.Message);
    }

    [Fact]
    public async Task A_silo_that_has_ended_ends_the_wait_and_so_does_an_interruption()
    {
        using var lost = new StartWatch(
            TestClient.Nowhere,
            Patience.Limit,
            Talkative,
            TimeProvider.System,
            static () => Failure("nobody"),
            CancellationToken.None);
        await Assert.ThrowsAsync<ClientException>(
            () => lost.Until(static () => "x", static () => new TaskCompletionSource<bool>().Task, Failure));
        using var interrupted = new StartWatch(
            TestClient.Nowhere,
            Patience.Limit,
            Talkative,
            TimeProvider.System,
            static () => null,
            new CancellationToken(true));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => interrupted.Until(static () => "x", static () => Task.FromResult(false), Failure));
    }

    /// <summary>A silo that registers and accepts, but does not answer: a client's whole process, with its own patience.</summary>
    [Theory]
    [InlineData(true, "waiting for silo-0 to answer", "an answer of the silos")]
    [InlineData(false, "waiting for silo-0, silo-1 to start", "silo-0, silo-1 to start")]
    public async Task A_start_that_takes_too_long_says_what_it_waited_for_and_names_the_logs(bool registers, string said, string missing)
    {
        using var workspace = new Workspace();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var registration = new SiloRegistration(
            "silo-0",
            Environment.ProcessId,
            "127.0.0.1",
            1,
            ((IPEndPoint)silent.LocalEndpoint).Port,
            "");
        if (registers) registration.Write(workspace.Folder);
        var copy = registers ? $"mkdir -p \"$2\"; cp -r {workspace.Path("silos")} \"$2\"; " : "";
        var silo = workspace.Script("peft-silo", $"#!/bin/sh\n{copy}echo waking up slowly\ncat >/dev/null\n");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true };
        string[] arguments =
        [
            Path.Combine(AppContext.BaseDirectory, "peft-client.dll"), "start-run", "-f", workspace.RunFile(),
            "--local", "2", "--run-id", "slow", "--set", "method.lora.rank=8",
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["PEFT_SILO"] = silo;
        start.Environment["PEFT_TIME_WORD"] = "0";
        start.Environment["PEFT_TIME_LOCAL_START"] = registers ? "12" : "1";
        using var client = Process.Start(start)!;
        var output = client.StandardOutput.ReadToEndAsync(Patience.Token);
        var errors = await client.StandardError.ReadToEndAsync(Patience.Token);
        await client.WaitForExitAsync(Patience.Token);
        Assert.True(client.ExitCode == ExitCodes.NoCluster, errors + await output);
        Assert.Contains(said + "\n", errors, StringComparison.Ordinal);
        Assert.Contains(
            $"s for {missing}; the silos' logs are in {workspace.Path("runs/slow/logs")}, the last words of silo-0:\n  waking up slowly",
            errors,
            StringComparison.Ordinal);
    }

    private static ClientException Failure(string what) => new(ExitCodes.NoCluster, $"waited for {what}");

    private static StartWatch Watch(TextWriter errors, TimeSpan patience, ClusterTimes? times = null) => new(
        new Terminal(TextWriter.Null, errors, animated: false, colored: false),
        patience,
        times ?? Talkative,
        TimeProvider.System,
        static () => null,
        CancellationToken.None);
}
