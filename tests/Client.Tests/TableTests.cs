using System.Text.Json.Nodes;
using Peft.Orleans.Client.Commands;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;
using Xunit;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Client.Tests;

/// <summary>What people read on a terminal of eighty columns.</summary>
public sealed class TableTests
{
    [Fact]
    public async Task A_description_fits_without_json_in_cells()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("done");
        workspace.Write(
            "runs/done/events.jsonl",
            string.Concat(
                """{"time":"2026-01-01T00:00:01Z","event":"term","details":{"term":3,"silos":["silo-0","silo-1"],"replicas":1,"standbys":[],"fromStep":7,"replayed":0}}"""
                    + "\n",
                """{"time":"2026-01-01T00:00:02Z","event":"recovered","details":{"step":8,"seconds":{"open":0.25,"fence":0.5}}}""" + "\n",
                """{"time":"2026-01-01T00:00:03Z","event":"snapshot","details":{"step":7}}""" + "\n",
                """{"time":"2026-01-01T00:00:03Z","event":"snapshot","details":{"step":8}}""" + "\n",
                """{"time":"2026-01-01T00:00:04Z","event":"unheard-of","details":{"step":8,"who":["a","b"]}}""" + "\n"
            )
        );
        var text = await Rendered("describe", "run", folder);
        var flat = string.Join(' ', text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain("{", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"", text, StringComparison.Ordinal);
        Assert.Contains("method.name hybrid", flat, StringComparison.Ordinal);
        Assert.Contains("method.lora.rank 16", flat, StringComparison.Ordinal);
        Assert.Contains("term 3 begins at step 7 on silo-0, silo-1", flat, StringComparison.Ordinal);
        Assert.Contains("a loss was mended 0.75 s after it was noticed, with step 8", flat, StringComparison.Ordinal);
        Assert.Contains("snapshot of step 8 written (and 1 before it)", flat, StringComparison.Ordinal);
        Assert.Matches(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+snapshot of step 8 written", text);
        Assert.Matches(@"created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d *\n", text);
        Assert.DoesNotMatch(@"\d\.\d{6}", text);
        Assert.Contains("unheard-of: step 8, who a, b", flat, StringComparison.Ordinal);
        // Wrapped, not cut: the whole path is there.
        Assert.Contains(
            folder,
            text.Replace("\n", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_list_of_runs_fits()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("a-run-with-quite-a-long-name-as-people-give-them-1234ab");
        RunIndex.OfUser().Add(
            new IndexedRun("a-run-with-quite-a-long-name-as-people-give-them-1234ab", folder, null, DateTimeOffset.UtcNow));
        var text = await Rendered("get", "runs");
        Assert.Contains("completed", text, StringComparison.Ordinal);
        Assert.Contains("4/4", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_list_of_silos_fits()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var silo = new SiloStatus
        {
            Name = "silo-10",
            Pid = 1_234_567,
            Address = "192.168.100.200:31234",
            State = "Active",
            Replica = 1,
            Layers = [1, 2, 3, 5, 7, 9, 11, 13],
            ResidentBytes = 12L << 30,
            WeightBytesRead = 9L << 30,
        };
        new Terminal(output, TextWriter.Null, animated: false, colored: false, width: 80).Data(
            new JsonArray(),
            OutputFormat.Table,
            () => SilosCommand.Table([silo]));
        Fits(output.ToString());
        var flat = string.Concat(output.ToString().Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        foreach (var part in (string[])["silo-10", "1234567", "Active", "12,288", "9,216", "13"])
            Assert.Contains(part, flat, StringComparison.Ordinal);
        Assert.Equal(
            "active, layers 1-3, 5, 7, 9, 11, 13, 12,288 MiB, process 1234567 at 192.168.100.200:31234",
            SilosCommand.Sentence(SilosCommand.Json(silo)));
    }

    [Fact]
    public async Task A_run_whose_silos_were_killed_is_told_the_same_everywhere()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("killed-all");
        RunIndex.OfUser().Add(new IndexedRun("killed-all", folder, null, DateTimeOffset.UtcNow));
        // The last status is of step 2; two more steps were committed before the kill.
        workspace.Write(
            "runs/killed-all/status.json",
            $$"""{"runId":"killed-all","folder":"{{folder}}","state":1,"step":2,"steps":40,"silos":2,"loss":3.5}""");
        var listed = JsonNode.Parse((await TestClient.Run("get", "runs", "-o", "json")).Output)!.AsArray().Single(
            static run => run!["runId"]!.GetValue<string>() == "killed-all")!;
        var described = JsonNode.Parse((await TestClient.Run("describe", "run", folder, "-o", "json")).Output)!;
        Assert.Equal(4, described["steps"]!.GetValue<int>());
        Assert.Equal(4, listed["step"]!.GetValue<int>());
        Assert.Equal(40, listed["steps"]!.GetValue<int>());
        Assert.Equal(1.5, described["finalLoss"]!.GetValue<double>());
        Assert.Equal(1.5, listed["loss"]!.GetValue<double>());
        Assert.Equal("interrupted", listed["state"]!.GetValue<string>());
        Assert.Equal("interrupted", described["status"]!.GetValue<string>());
    }

    private static async Task<string> Rendered(params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        Assert.Equal(
            0,
            await ClientApplication.Run(arguments, new Terminal(output, TextWriter.Null, animated: false, colored: false, width: 80)));
        Fits(output.ToString());
        return output.ToString();
    }

    private static void Fits(string text) => Assert.All(text.Split('\n'), static line => Assert.True(line.TrimEnd().Length <= 80, line));
}
