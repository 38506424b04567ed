using System.IO.Compression;
using System.Text;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>One run, the same bytes when it is stopped and resumed in the middle, on other silos.</summary>
public class SameBytesTests
{
    /// <summary>Sources of several kinds, mixed by weight and shuffled: whose turn it is does not depend on who asks.</summary>
    [Fact]
    public async Task Of_mixed_sources_on_one_silo_and_two()
    {
        using var workspace = new Workspace();
        var lines = File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(60).ToArray();
        workspace.Write("array.json", $"[{string.Join(',', lines[..20])}]");
        using (var packed = new GZipStream(File.Create(Path.Combine(workspace.Folder, "lines.jsonl.gz")), CompressionLevel.Fastest))
            packed.Write(Encoding.UTF8.GetBytes(string.Join('\n', lines[20..])));
        var file = EmbeddedModel.RunFile(workspace, "lora", data: "train.jsonl");
        const string Sources =
            "train: [{ path: array.json, format: completion, weight: 1 }, { path: 'lines.*.gz', format: completion, weight: 2.5 }]";
        var one = File.ReadAllText(file).Replace("train: { path: train.jsonl, format: completion }", Sources, StringComparison.Ordinal);
        Assert.Contains(Sources, one, StringComparison.Ordinal);
        File.WriteAllText(file, one);
        var hashes = new List<string>();
        foreach (var silos in (string[])["1", "2"])
        {
            var run = await PeftClient.Run("start-run", "-f", file, "--local", silos, "--run-id", "mixed-" + silos, "-o", "json");
            hashes.Add(run.Succeeded().AdapterSha256);
        }

        Assert.Single(hashes.Distinct());
    }

    [Theory]
    [InlineData("hybrid")]
    [InlineData("full")]
    public async Task Stopped_and_resumed_in_the_middle(string method)
    {
        using var workspace = new Workspace();
        using var run = EndlessRun.Start(EmbeddedModel.RunFile(workspace, method), "stopped", "--local", "2");
        await run.Reached(3);
        await run.Stop();
        var done = run.Lines().Length;

        run.Resume("--local", "3");
        await run.Reached(done + 3);
        await run.Stop();
        Assert.Equal(done, run.Events("term")[^1].GetProperty("fromStep").GetInt32());
        await run.AssertUndisturbed();
    }
}
