using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// A run on data that no memory would hold: with <c>PEFT_LONG=1</c> 2 GB, as docs/benchmarks.md has it, else as many lines as a test has
/// time for.
/// </summary>
public class LargeDataTests(ITestOutputHelper output)
{
    private const long SmallBytes = 1_000_000;

    // Of the resident memory of a process: what the runtime takes for itself varies by some.
    private const long MostMore = 100_000_000;

    private static readonly long LargeBytes = Environment.GetEnvironmentVariable("PEFT_LONG") == "1" ? 2_150_000_000 : 70_000_000;

    [Fact]
    public async Task A_silo_needs_no_more_memory_for_much_data_and_a_stopped_run_keeps_its_index()
    {
        using var workspace = new Workspace();
        var (smallSeconds, small) = await Train(workspace, "small", SmallBytes);
        var (largeSeconds, large) = await Train(workspace, "large", LargeBytes);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{LargeBytes / 1e9:0.00} GB: first step after {largeSeconds:0.0} s, silo's peak {large / 1e6:0} MB; of "
                + $"{SmallBytes / 1e9:0.000} GB after {smallSeconds:0.0} s, {small / 1e6:0} MB"));
        Assert.InRange(large - small, long.MinValue, MostMore);

        // One that was stopped goes on with the index that it has.
        var file = RunFile(workspace, "large", steps: 40);
        using var client = PeftClient.Start("start-run", "-f", file, "--local", "1", "--run-id", "stopped", "-o", "json");
        await FirstStep(client, workspace, "stopped");
        (await PeftClient.Run("stop", "stopped", "--snapshot")).Succeeded();
        await client.WaitForExitAsync(Patience.Token);
        var index = Path.Combine(workspace.Folder, "runs", "stopped", "data", "samples.index");
        var written = File.GetLastWriteTimeUtc(index);
        (await PeftClient.Run("resume", "stopped", "--local", "1", "-o", "json")).Succeeded();
        Assert.InRange(Peak(workspace, "stopped") - small, long.MinValue, MostMore);
        Assert.Equal(written, File.GetLastWriteTimeUtc(index));
    }

    private static async Task<(double Seconds, long Peak)> Train(Workspace workspace, string name, long bytes)
    {
        Write(Path.Combine(workspace.Folder, name + ".jsonl"), bytes);
        var file = RunFile(workspace, name, steps: 4);
        var begun = Stopwatch.GetTimestamp();
        using var client = PeftClient.Start("start-run", "-f", file, "--local", "1", "--run-id", name, "-o", "json");
        var (said, errors) = (client.StandardOutput.ReadToEndAsync(), client.StandardError.ReadToEndAsync());
        await FirstStep(client, workspace, name);
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        await client.WaitForExitAsync(Patience.Token);
        Assert.True(client.ExitCode == 0, await errors + await said);
        return (seconds, Peak(workspace, name));
    }

    private static string RunFile(Workspace workspace, string name, int steps)
    {
        var file = EmbeddedModel.RunFile(workspace, "lora", steps, data: Path.Combine(workspace.Folder, name + ".jsonl"));
        File.WriteAllText(file, File.ReadAllText(file).Replace("max_length: 160", "max_length: 1024", StringComparison.Ordinal));
        return file;
    }

    private static Task FirstStep(Process client, Workspace workspace, string name)
    {
        var metrics = Path.Combine(workspace.Folder, "runs", name, "metrics.jsonl");
        return Patience.Until(() => client.HasExited || (File.Exists(metrics) && File.ReadAllLines(metrics).Length > 0));
    }

    private static long Peak(Workspace workspace, string name)
    {
        var status = JsonElement.Parse(File.ReadAllText(Path.Combine(workspace.Folder, "runs", name, "status.json")));
        return status.GetProperty("peakMemory").EnumerateObject().Max(static silo => silo.Value.GetInt64());
    }

    /// <summary>Problems of the quickstart, some to a line, each line another.</summary>
    private static void Write(string path, long bytes)
    {
        var problems = File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl"))
            .Select(static line => JsonElement.Parse(line))
            .Select(static line => line.GetProperty("prompt").GetString()! + line.GetProperty("completion").GetString())
            .ToArray();
        using var file = new StreamWriter(path, append: false, new UTF8Encoding(false), 1 << 20);
        var text = new StringBuilder();
        for (var (i, written) = (0L, 0L); written < bytes; i++)
        {
            text.Clear().Append(CultureInfo.InvariantCulture, $"{{\"prompt\":\"Number {i}.");
            for (var j = 0; j < 7; j++) text.Append(' ').Append(problems[(i * (j + 3) + i / problems.Length) % problems.Length]);
            text.Append(CultureInfo.InvariantCulture, $"\",\"completion\":\" {i}.\"}}\n");
            file.Write(text);
            written += text.Length;
        }
    }
}
