using Microsoft.Data.Sqlite;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Storage;

namespace Peft.Orleans.Grains.Tests.Storage;

public sealed class SiloLivesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-lives").FullName;

    [Fact]
    public void Each_is_later_than_all_before_whatever_the_time_of_day()
    {
        var first = SiloLives.Next(Open());
        Assert.True(SiloLives.Next(Open()) > first);
        // As if whoever came first had a clock that is years ahead.
        using (var connection = Open().Open()) SqliteFile.Execute(connection, null, "UPDATE silo_lives SET last = 2000000000");
        Assert.Equal(2_000_000_001, SiloLives.Next(Open()));
    }

    [Fact]
    public void Those_drawn_at_once_differ()
    {
        var drawn = Enumerable.Range(0, 16).AsParallel().WithDegreeOfParallelism(8).Select(_ => SiloLives.Next(Open())).ToArray();
        Assert.Equal(16, drawn.Distinct().Count());
    }

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    private SqliteFile Open() => new(folder, ClusterFolder.Membership);
}
