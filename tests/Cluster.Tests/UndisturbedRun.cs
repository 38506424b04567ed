using System.Collections.Concurrent;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// A run of the embedded model on one silo that nothing happens to: what every disturbed one of as many steps must equal. Made once for all
/// tests.
/// </summary>
internal sealed class UndisturbedRun
{
    private static readonly ConcurrentDictionary<int, Lazy<Task<UndisturbedRun>>> Made = new();

    private readonly byte[] adapter;
    private readonly IReadOnlyList<string> metrics;
    private readonly string[] samples;

    private UndisturbedRun(string folder)
    {
        adapter = EmbeddedModel.Adapter(folder);
        metrics = EmbeddedModel.Comparable(folder);
        samples = File.ReadAllLines(Path.Combine(folder, "samples.jsonl"));
    }

    internal static Task<UndisturbedRun> Of(int steps) => Made.GetOrAdd(steps, static count => new(() => Make(count))).Value;

    internal void AssertSame(string folder)
    {
        Assert.Equal(adapter, EmbeddedModel.Adapter(folder));
        Assert.Equal(metrics, EmbeddedModel.Comparable(folder));
        Assert.Equal(samples, File.ReadAllLines(Path.Combine(folder, "samples.jsonl")));
    }

    private static async Task<UndisturbedRun> Make(int steps)
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, steps: steps);
        (await PeftClient.Run("start-run", "-f", file, "--local", "1", "--run-id", "undisturbed", "-o", "json")).Succeeded();
        return new UndisturbedRun(Path.Combine(workspace.Folder, "runs", "undisturbed"));
    }
}
