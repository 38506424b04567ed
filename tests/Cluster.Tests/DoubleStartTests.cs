using System.Diagnostics;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Two starts of one id within the first seconds, before any silo is up.</summary>
public sealed class DoubleStartTests
{
    [Fact]
    public async Task Exactly_one_of_them_runs_and_the_other_says_so()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 6);
        string[] arguments = ["start-run", "-f", file, "--local", "2", "--run-id", "twice", "-o", "json"];
        var clients = new[] { PeftClient.Start(arguments), PeftClient.Start(arguments), PeftClient.Start(arguments) };
        var outputs = clients.Select(static client => client.StandardOutput.ReadToEndAsync()).ToArray();
        var errors = clients.Select(static client => client.StandardError.ReadToEndAsync()).ToArray();

        // The run can be neither resumed while it is being started, nor is it an error to ask after it.
        var folder = Path.Combine(workspace.Folder, "runs", "twice");
        await Patience.Until(() => File.Exists(Path.Combine(folder, "run.yaml")) || clients.All(static client => client.HasExited));
        var resumed = await PeftClient.Run("resume", folder);
        Assert.True(resumed.ExitCode == 2, resumed.Errors);
        var watched = await PeftClient.Run("watch", folder, "-o", "json");
        Assert.Equal("completed", watched.Succeeded().Json.GetProperty("status").GetString());

        foreach (var client in clients) await client.WaitForExitAsync(Patience.Token);
        var said = string.Join('\n', await Task.WhenAll(errors));
        Assert.True(clients.Count(static client => client.ExitCode == 0) == 1, said);
        var winner = Array.FindIndex(clients, static client => client.ExitCode == 0);
        Assert.Equal("completed", Last(await outputs[winner]).GetProperty("status").GetString());
        for (var i = 0; i < clients.Length; i++)
        {
            if (i == winner) continue;
            Assert.True(clients[i].ExitCode == 2, said);
            Assert.Contains("run twice is running or just being started", await errors[i], StringComparison.Ordinal);
            Assert.Contains("peft-client watch twice", await errors[i], StringComparison.Ordinal);
        }

        foreach (var client in clients) client.Dispose();
    }

    [Fact]
    public async Task In_the_background_too()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 6);
        string[] arguments = ["start-run", "-f", file, "--local", "1", "--run-id", "twice", "--no-wait", "-o", "json"];
        var outcomes = await Task.WhenAll(PeftClient.Run(arguments), PeftClient.Run(arguments));
        Assert.True(outcomes.Count(static outcome => outcome.ExitCode == 0) == 1, outcomes[0].Errors + outcomes[1].Errors);
        Assert.Contains(
            "is running or just being started",
            Assert.Single(outcomes, static outcome => outcome.ExitCode != 0).Errors,
            StringComparison.Ordinal);
        var watched = await PeftClient.Run("watch", Path.Combine(workspace.Folder, "runs", "twice"), "-o", "json");
        Assert.Equal("completed", watched.Succeeded().Json.GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_run_whose_client_was_killed_can_be_resumed_at_once()
    {
        using var workspace = new Workspace();
        using var run = EndlessRun.Start(EmbeddedModel.RunFile(workspace, "lora"), "killed", "--local", "2");
        await run.Reached(3);
        // The client alone: its silos finish their step and take a snapshot.
        run.KillClient();
        await run.Ended();
        run.Resume("--local", "1");
        await run.OnSilos(1);
        await run.Stop();
        await run.AssertUndisturbed();
    }

    private static JsonElement Last(string output) =>
        JsonDocument.Parse(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]).RootElement;
}
