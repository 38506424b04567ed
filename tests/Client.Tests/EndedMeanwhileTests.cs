using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>A run whose last silo ends between the look at its folder and the first answer.</summary>
public sealed class EndedMeanwhileTests
{
    [Theory]
    [InlineData("watch", "status")]
    [InlineData("describe run", "status")]
    public async Task Its_folder_tells_how_it_ended(string command, string key)
    {
        using var workspace = new Workspace();
        var run = workspace.FinishedRun("ended");
        // By its name a process of ours; it waits for a line that never comes.
        var script = workspace.Script("peft-silo", "#!/bin/sh\nread line\n");
        using var silo = Process.Start(new ProcessStartInfo(script) { RedirectStandardInput = true })!;
        using var gateway = new TcpListener(IPAddress.Loopback, 0);
        gateway.Start();
        new SiloRegistration("silo-0", silo.Id, "127.0.0.1", 1, ((IPEndPoint)gateway.LocalEndpoint).Port, "").Write(
            new RunFolder(run).Cluster);
        var asked = Ends();
        var outcome = await TestClient.Run([.. command.Split(' '), run, "-o", "json"]);
        Assert.True(asked.IsCompletedSuccessfully);
        Assert.True(outcome.ExitCode == ExitCodes.Success, outcome.Errors);
        Assert.Equal("completed", JsonNode.Parse(outcome.Output)![key]!.GetValue<string>());

        async Task Ends()
        {
            // Connected, and gone before it has said a word.
            using var client = await gateway.AcceptSocketAsync(TestContext.Current.CancellationToken);
            silo.Kill();
            await silo.WaitForExitAsync(TestContext.Current.CancellationToken);
            gateway.Stop();
        }
    }

    [Fact]
    public async Task A_silo_that_refuses_connections_and_lives_is_waited_for()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("ending");
        var script = workspace.Script("peft-silo", "#!/bin/sh\nread line\n");
        using var silo = Process.Start(new ProcessStartInfo(script) { RedirectStandardInput = true })!;
        // A port that nobody listens at any more.
        using var gateway = new TcpListener(IPAddress.Loopback, 0);
        gateway.Start();
        var port = ((IPEndPoint)gateway.LocalEndpoint).Port;
        gateway.Stop();
        new SiloRegistration("silo-0", silo.Id, "127.0.0.1", 1, port, "").Write(new RunFolder(folder).Cluster);
        var run = new IndexedRun("ending", folder, null, DateTimeOffset.UtcNow);
        var opened = RunConnection.Open(TestClient.Nowhere, run, TestContext.Current.CancellationToken);
        silo.Kill();
        await silo.WaitForExitAsync(TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<ClientException>(() => opened);
        Assert.Contains("run ending is not running", error.Message, StringComparison.Ordinal);
        Assert.True(RunConnection.EndedMeanwhile(error, run));
    }
}
