using System.Globalization;
using Microsoft.Data.Sqlite;
using Orleans.Runtime;

namespace Peft.Orleans.Grains.Storage;

/// <summary>
/// Reminders in the SQLite file of a cluster's grain state, which outlives the cluster: a run that was under way is woken.
/// </summary>
internal sealed class SqliteReminderTable(SqliteFile file) : IReminderTable
{
    private const string Columns = "grain, name, start, period, etag";

    /// <inheritdoc/>
    public Task<ReminderTableData> ReadRows(GrainId grainId) =>
        Read($"SELECT {Columns} FROM reminders WHERE grain = $grain", ("$grain", grainId.ToString()));

    /// <inheritdoc/>
    /// <remarks>The range goes around where it does not begin below its end.</remarks>
    public Task<ReminderTableData> ReadRows(uint begin, uint end) => Read(
        $"SELECT {Columns} FROM reminders WHERE hash > $begin {(begin < end ? "AND" : "OR")} hash <= $end",
        ("$begin", (long)begin),
        ("$end", (long)end));

    /// <inheritdoc/>
    public async Task<ReminderEntry?> ReadRow(GrainId grainId, string reminderName) => (await Read(
        $"SELECT {Columns} FROM reminders WHERE grain = $grain AND name = $name",
        ("$grain", grainId.ToString()),
        ("$name", reminderName))).Reminders.SingleOrDefault();

    /// <inheritdoc/>
    public Task<string?> UpsertRow(ReminderEntry entry)
    {
        using var connection = file.Open();
        using var write = SqliteFile.Command(
            connection,
            null,
            """
            INSERT INTO reminders VALUES ($grain, $name, $hash, $start, $period, 1)
            ON CONFLICT (grain, name) DO UPDATE SET start = excluded.start, period = excluded.period, etag = etag + 1 RETURNING etag
            """,
            ("$grain", entry.GrainId.ToString()),
            ("$name", entry.ReminderName),
            ("$hash", (long)entry.GrainId.GetUniformHashCode()),
            ("$start", entry.StartAt.ToString("O", CultureInfo.InvariantCulture)),
            ("$period", entry.Period.Ticks));
        return Task.FromResult<string?>(Etag((long)write.ExecuteScalar()!));
    }

    /// <inheritdoc/>
    public Task<bool> RemoveRow(GrainId grainId, string reminderName, string eTag)
    {
        using var connection = file.Open();
        var removed = SqliteFile.Execute(
            connection,
            null,
            "DELETE FROM reminders WHERE grain = $grain AND name = $name AND etag = $etag",
            ("$grain", grainId.ToString()),
            ("$name", reminderName),
            ("$etag", long.Parse(eTag, CultureInfo.InvariantCulture)));
        return Task.FromResult(removed == 1);
    }

    /// <inheritdoc/>
    public Task TestOnlyClearTable()
    {
        using var connection = file.Open();
        SqliteFile.Execute(connection, null, "DELETE FROM reminders");
        return Task.CompletedTask;
    }

    private static string Etag(long number) => number.ToString(CultureInfo.InvariantCulture);

    private Task<ReminderTableData> Read(string sql, params (string Name, object Value)[] parameters)
    {
        using var connection = file.Open();
        using var command = SqliteFile.Command(connection, null, sql, parameters);
        using var reader = command.ExecuteReader();
        return Task.FromResult(new ReminderTableData(Entries(reader).ToList()));
    }

    private static IEnumerable<ReminderEntry> Entries(SqliteDataReader reader)
    {
        while (reader.Read())
        {
            yield return new ReminderEntry
            {
                GrainId = GrainId.Parse(reader.GetString(0), CultureInfo.InvariantCulture),
                ReminderName = reader.GetString(1),
                StartAt = DateTime.Parse(reader.GetString(2), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind),
                Period = TimeSpan.FromTicks(reader.GetInt64(3)),
                ETag = Etag(reader.GetInt64(4)),
            };
        }
    }
}
