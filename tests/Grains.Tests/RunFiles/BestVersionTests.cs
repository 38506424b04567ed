using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Tests.RunFiles;

/// <summary>The best adapter so far: there is always one once there was one, wherever a writer stops.</summary>
public sealed class BestVersionTests : IDisposable
{
    private readonly string run = Directory.CreateTempSubdirectory("peft-best").FullName;

    public void Dispose() => Directory.Delete(run, recursive: true);

    [Fact]
    public void A_better_step_replaces_the_best_one()
    {
        var best = Started();
        Assert.True(best.Note(10, 2.0));
        best.Keep(10, Written("ten"));
        Assert.False(best.Note(20, 2.5));
        Assert.True(best.Note(30, 1.5));
        best.Keep(30, Written("thirty"));
        Assert.Equal("thirty", File.ReadAllText(Path.Combine(best.Folder!, "part")));
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(run, "best")));
    }

    [Fact]
    public void A_writer_that_stops_before_its_folder_has_its_name_leaves_the_former_best()
    {
        var best = Started();
        best.Note(10, 2.0);
        best.Keep(10, Written("ten"));
        Written("twenty");
        // The next coordinator reads the lines that were written and has not seen step 20.
        var next = Started();
        next.Note(10, 2.0);
        Assert.Equal("ten", File.ReadAllText(Path.Combine(next.Folder!, "part")));
        // It comes to step 20 again, and what was left behind goes.
        Assert.True(next.Note(20, 1.0));
        next.Keep(20, Written("twenty"));
        Assert.Equal("twenty", File.ReadAllText(Path.Combine(next.Folder!, "part")));
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(run, "best")));
    }

    private BestVersion Started() => new(new EarlyStoppingSpec { KeepBest = true }, new RunFolder(run));

    private string Written(string content)
    {
        var folder = Path.Combine(run, "best", $"{Guid.NewGuid():N}.tmp");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "part"), content);
        return folder;
    }
}
