using System.Text.Json.Nodes;
using Peft.Orleans.Client.Runs;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>Which run a word names.</summary>
public sealed class RunIndexTests
{
    private static readonly DateTimeOffset Day = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Id_beginning_and_folder_name_a_run()
    {
        using var workspace = new Workspace();
        var index = new RunIndex(workspace.Path("home"));
        Assert.Empty(index.All());
        index.Add(new IndexedRun("alpha-1", "/runs/alpha-1", null, Day));
        index.Add(new IndexedRun("alpha-2", "/runs/alpha-2", "host:30000", Day.AddDays(1)));
        index.Add(new IndexedRun("beta", "/runs/beta", null, Day.AddDays(2)));
        Assert.Equal(["beta", "alpha-2", "alpha-1"], index.All().Select(static run => run.Id));
        Assert.Equal("host:30000", index.Find("alpha-2").Cluster);
        Assert.Equal("beta", index.Find("b").Id);
        Assert.Contains("several", Assert.Throws<ClientException>(() => index.Find("alpha")).Message, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.NotFound, Assert.Throws<ClientException>(() => index.Find("gamma")).ExitCode);

        workspace.Write("somewhere/run.yaml", "name: x");
        var byFolder = index.Find(workspace.Path("somewhere") + "/");
        Assert.Equal(("somewhere", workspace.Path("somewhere")), (byFolder.Id, byFolder.Folder));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(0)]
    public void Half_a_line_loses_nothing_but_itself(int left)
    {
        using var workspace = new Workspace();
        var index = new RunIndex(workspace.Folder);
        index.Add(new IndexedRun("a", "/runs/a", null, Day));
        index.Add(new IndexedRun("torn", "/runs/torn", null, Day));
        var path = workspace.Path("runs.jsonl");
        var lines = File.ReadAllText(path).Split('\n');
        File.WriteAllText(path, lines[0] + "\n" + lines[1][..left]);
        index.Add(new IndexedRun("b", "/runs/b", null, Day));
        index.Add(new IndexedRun("c", "/runs/c", null, Day));
        Assert.Equal(["c", "b", "a"], index.All().Select(static run => run.Id));
    }

    [Fact]
    public async Task A_run_with_a_damaged_status_takes_no_other_off_the_list_and_has_the_steps_of_its_metrics()
    {
        using var workspace = new Workspace();
        var damaged = workspace.FinishedRun("damaged-run");
        File.WriteAllText(Path.Combine(damaged, "status.json"), "{\"runId\":");
        RunIndex.OfUser().Add(new IndexedRun("damaged-run", damaged, null, Day));
        RunIndex.OfUser().Add(new IndexedRun("sound-run", workspace.FinishedRun("sound-run"), null, Day));
        var outcome = await TestClient.Run("get", "runs", "-o", "json");
        Assert.Equal(ExitCodes.Success, outcome.ExitCode);
        Assert.Contains(Path.Combine(damaged, "status.json"), outcome.Errors, StringComparison.Ordinal);
        var runs = JsonNode.Parse(outcome.Output)!.AsArray()
            .ToDictionary(static run => run!["runId"]!.GetValue<string>(), static run => run!);
        Assert.Equal(
            ("damaged", 4, "completed", 4),
            (runs["damaged-run"]["state"]!.GetValue<string>(), runs["damaged-run"]["step"]!.GetValue<int>(),
                runs["sound-run"]["state"]!.GetValue<string>(), runs["sound-run"]["step"]!.GetValue<int>()));
    }

    [Fact]
    public async Task A_run_whose_folder_was_deleted_is_said_to_be_gone()
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("deleted-run");
        RunIndex.OfUser().Add(new IndexedRun("deleted-run", folder, null, Day));
        Assert.Equal(ExitCodes.Success, (await TestClient.Run("describe", "run", "deleted-run")).ExitCode);
        Directory.Delete(folder, recursive: true);
        foreach (
            var line in (string[])
                [
                    "describe run deleted-run",
                    "metrics deleted-run",
                    "logs deleted-run",
                    "watch deleted-run",
                    "stop deleted-run",
                    "resume deleted-run",
                    "silos deleted-run",
                ]
        )
        {
            var outcome = await TestClient.Run(line.Split(' '));
            Assert.Equal(ExitCodes.NotFound, outcome.ExitCode);
            Assert.Contains($"run deleted-run: its folder {folder} is gone", outcome.Errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_malformed_line_is_passed_over_and_a_folder_counts_once()
    {
        using var workspace = new Workspace();
        var index = new RunIndex(workspace.Folder);
        index.Add(new IndexedRun("a", "/runs/a", null, Day));
        File.AppendAllText(workspace.Path("runs.jsonl"), "{\"id\": \"tor\nnull\n{}\n");
        index.Add(new IndexedRun("a", "/runs/a", null, Day.AddHours(1)));
        var run = Assert.Single(index.All());
        Assert.Equal(Day.AddHours(1), run.Created);
    }
}
