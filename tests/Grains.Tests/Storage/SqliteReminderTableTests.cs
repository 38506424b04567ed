using Microsoft.Data.Sqlite;
using Orleans;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Storage;

namespace Peft.Orleans.Grains.Tests.Storage;

public sealed class SqliteReminderTableTests : IDisposable
{
    private static readonly DateTime Start = new(2026, 3, 4, 5, 6, 7, 890, DateTimeKind.Utc);

    private readonly string folder = Directory.CreateTempSubdirectory("peft-reminders").FullName;

    private SqliteReminderTable Table => new(new SqliteFile(folder, ClusterFolder.State));

    [Fact]
    public async Task A_reminder_reads_back_as_it_was_written_also_by_another_process()
    {
        var etag = await Table.UpsertRow(Entry("a", TimeSpan.FromMinutes(1)));
        var read = (await Table.ReadRow(Entry("a").GrainId, "wake"))!;
        Assert.Equal((Start, TimeSpan.FromMinutes(1), etag), (read.StartAt, read.Period, read.ETag));
        Assert.Equal(DateTimeKind.Utc, read.StartAt.Kind);
        Assert.Null(await Table.ReadRow(Entry("a").GrainId, "other"));
        Assert.Null(await Table.ReadRow(Entry("b").GrainId, "wake"));
    }

    [Fact]
    public async Task One_that_was_written_since_is_not_removed()
    {
        var former = await Table.UpsertRow(Entry("a"));
        var present = await Table.UpsertRow(Entry("a", TimeSpan.FromHours(1)));
        Assert.NotEqual(former, present);
        Assert.False(await Table.RemoveRow(Entry("a").GrainId, "wake", former!));
        Assert.Equal(TimeSpan.FromHours(1), Assert.Single((await Table.ReadRows(Entry("a").GrainId)).Reminders).Period);
        Assert.True(await Table.RemoveRow(Entry("a").GrainId, "wake", present!));
        Assert.Empty((await Table.ReadRows(Entry("a").GrainId)).Reminders);
    }

    [Fact]
    public async Task Every_reminder_lies_in_one_part_of_the_ring()
    {
        foreach (var run in Enumerable.Range(0, 40)) await Table.UpsertRow(Entry($"run-{run}"));
        var hashes = Enumerable.Range(0, 40).Select(static run => Entry($"run-{run}").GrainId.GetUniformHashCode()).Order().ToArray();
        var (low, high) = (hashes[10], hashes[30]);
        var inside = await Table.ReadRows(low, high);
        var around = await Table.ReadRows(high, low);
        Assert.Equal(20, inside.Reminders.Count);
        Assert.Equal(20, around.Reminders.Count);
        Assert.Empty(Grains(inside).Intersect(Grains(around)));
        // One silo has the whole ring.
        Assert.Equal(40, (await Table.ReadRows(low, low)).Reminders.Count);
        await Table.TestOnlyClearTable();
        Assert.Empty((await Table.ReadRows(low, low)).Reminders);
    }

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    private static IEnumerable<GrainId> Grains(ReminderTableData table) => table.Reminders.Select(static entry => entry.GrainId);

    private static ReminderEntry Entry(string run, TimeSpan period = default) =>
        new() { GrainId = GrainId.Create("run", run), ReminderName = "wake", StartAt = Start, Period = period };
}
