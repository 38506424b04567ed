using System.Diagnostics;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A run under way that a test disturbs, beside an undisturbed one of the same file.</summary>
internal sealed class ElasticRun : IDisposable
{
    private readonly Workspace workspace;
    private readonly UndisturbedRun undisturbed;
    private readonly Process client;
    private readonly Task<string> output;
    private readonly Task<string> errors;

    private ElasticRun(string file, UndisturbedRun undisturbed, Workspace workspace, int silos)
    {
        this.workspace = workspace;
        this.undisturbed = undisturbed;
        Folder = Path.Combine(workspace.Folder, "runs", "disturbed");
        client = PeftClient.Start("start-run", "-f", file, "--local", $"{silos}", "--run-id", "disturbed", "-o", "json");
        output = client.StandardOutput.ReadToEndAsync();
        errors = client.StandardError.ReadToEndAsync();
    }

    internal string Folder { get; }

    internal static async Task<ElasticRun> Start(int silos, int steps, string replicas, string extra = "")
    {
        var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, steps: steps, replicas: replicas, extra: extra);
        return new ElasticRun(file, await UndisturbedRun.Of(steps), workspace, silos);
    }

    internal string[] Lines() =>
        File.Exists(Path.Combine(Folder, "metrics.jsonl")) ? File.ReadAllLines(Path.Combine(Folder, "metrics.jsonl")) : [];

    internal IReadOnlyList<JsonElement> Events(string name) =>
        [.. File.ReadAllLines(Path.Combine(Folder, "events.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.GetProperty("event").GetString() == name).Select(static line => line.GetProperty("details"))];

    internal Task Reached(int step) => Until(() => Lines().Length >= step);

    internal Task MoreSteps(int count)
    {
        var now = Lines().Length;
        return Reached(now + count);
    }

    internal async Task Until(Func<bool> condition)
    {
        await Patience.Until(() => client.HasExited || condition());
        Assert.True(
            condition(),
            client.HasExited
                ? $"the client ended with {client.ExitCode}\n{await errors}\n{await output}"
                : "the condition did not come true"
        );
    }

    internal int Pid(string silo) =>
        JsonDocument
            .Parse(File.ReadAllText(Path.Combine(Folder, "cluster", "silos", silo + ".json")))
            .RootElement.GetProperty("pid")
            .GetInt32();

    internal IEnumerable<string> MetricsUrls() => Directory.EnumerateFiles(Path.Combine(Folder, "cluster", "silos"), "*.json")
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

    internal async Task Client(params string[] arguments) => (await PeftClient.Run(arguments)).Succeeded();

    /// <summary>Waits for the client, however it ends.</summary>
    internal Task Ended() => client.WaitForExitAsync(Patience.Token);

    /// <summary>Waits for the run's end, or resumes it, and compares adapter, samples and metrics with the undisturbed run's.</summary>
    internal async Task<JsonElement> Completed(int resume = 0)
    {
        string last;
        if (resume > 0)
        {
            last = (await PeftClient.Run("resume", Folder, "--local", $"{resume}", "-o", "json")).Succeeded().Output;
        }
        else
        {
            await Ended();
            Assert.True(client.ExitCode == 0, await errors + await output);
            last = await output;
        }

        undisturbed.AssertSame(Folder);
        return JsonDocument.Parse(last.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]).RootElement;
    }

    public void Dispose()
    {
        if (!client.HasExited) client.Kill(entireProcessTree: true);
        client.Dispose();
        workspace.Dispose();
    }
}
