using System.Diagnostics;
using System.Text.Json;

namespace Peft.Orleans.Tests;

/// <summary>A local run under way whose silos a test kills, freezes, adds and takes away, until it stops it.</summary>
internal sealed class ElasticRun : IDisposable
{
    private readonly Workspace workspace;

    private ElasticRun(Workspace workspace, EndlessRun run) => (this.workspace, Run) = (workspace, run);

    /// <summary>The run.</summary>
    internal EndlessRun Run { get; }

    internal static ElasticRun Start(int silos, string replicas, string extra = "")
    {
        var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, replicas: replicas, extra: extra);
        return new ElasticRun(workspace, EndlessRun.Start(file, "disturbed", "--local", $"{silos}"));
    }

    internal int Pid(string silo) =>
        JsonDocument
            .Parse(File.ReadAllText(Path.Combine(Run.Folder, "cluster", "silos", silo + ".json")))
            .RootElement.GetProperty("pid")
            .GetInt32();

    internal IEnumerable<string> MetricsUrls() => Directory.EnumerateFiles(Path.Combine(Run.Folder, "cluster", "silos"), "*.json")
        .Select(static file => JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("metricsUrl").GetString()!);

    /// <summary>Sends a signal to a silo.</summary>
    internal Process Signal(string silo, string signal)
    {
        var pid = Pid(silo);
        var process = Process.GetProcessById(pid);
        using var kill = Process.Start("kill", [$"-{signal}", $"{pid}"]);
        kill.WaitForExit();
        return process;
    }

    /// <summary>Adds silos or takes some away.</summary>
    internal async Task Scale(int silos) => (await PeftClient.Run("scale", Run.Folder, "--silos", $"{silos}")).Succeeded();

    /// <summary>Stops the run, and compares it with an undisturbed one.</summary>
    internal async Task<JsonElement> StopsUndisturbed()
    {
        var json = await Run.Stop();
        await Run.AssertUndisturbed();
        return json;
    }

    /// <summary>No step was made twice.</summary>
    internal void AssertNothingReplayed() =>
        Assert.All(Run.Events("term"), static term => Assert.Equal(0, term.GetProperty("replayed").GetInt32()));

    public void Dispose()
    {
        Run.Dispose();
        workspace.Dispose();
    }
}
