using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Orleans.Runtime;

namespace Peft.Orleans.Grains.Storage;

/// <summary>Cluster membership in the SQLite file of a local cluster: versioned rows, compare-and-set on version and row.</summary>
internal sealed class SqliteMembershipTable(SqliteFile file) : IMembershipTable
{
    /// <inheritdoc/>
    public Task InitializeMembershipTable(bool tryInitTableVersion) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task DeleteMembershipTableEntries(string clusterId)
    {
        using var connection = file.Open();
        SqliteFile.Execute(connection, null, "DELETE FROM membership");
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate)
    {
        using var connection = file.Open();
        using var transaction = connection.BeginTransaction();
        foreach (var (entry, _) in Rows(connection, transaction).ToArray())
        {
            if (entry.Status == SiloStatus.Dead && entry.IAmAliveTime < beforeDate.UtcDateTime)
                SqliteFile.Execute(
                    connection,
                    transaction,
                    "DELETE FROM membership WHERE silo = $silo",
                    ("$silo", entry.SiloAddress.ToParsableString())
                );
        }

        transaction.Commit();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<MembershipTableData> ReadRow(SiloAddress key)
    {
        using var connection = file.Open();
        using var transaction = connection.BeginTransaction(deferred: true);
        var rows = Rows(connection, transaction).Where(row => row.Entry.SiloAddress.Equals(key)).Select(AsTuple).ToList();
        return Task.FromResult(new MembershipTableData(rows, Version(connection, transaction)));
    }

    /// <inheritdoc/>
    public Task<MembershipTableData> ReadAll()
    {
        using var connection = file.Open();
        using var transaction = connection.BeginTransaction(deferred: true);
        return Task.FromResult(
            new MembershipTableData(Rows(connection, transaction).Select(AsTuple).ToList(), Version(connection, transaction))
        );
    }

    /// <inheritdoc/>
    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) =>
        Task.FromResult(
            Change(tableVersion, (connection, transaction) =>
                SqliteFile.Execute(
                    connection,
                    transaction,
                    "INSERT OR IGNORE INTO membership VALUES ($silo, $entry, 1)",
                    ("$silo", entry.SiloAddress.ToParsableString()),
                    ("$entry", MembershipRow.Write(entry))
                ) == 1
            )
        );

    /// <inheritdoc/>
    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        Task.FromResult(
            Change(tableVersion, (connection, transaction) =>
                SqliteFile.Execute(
                    connection,
                    transaction,
                    "UPDATE membership SET entry = $entry, etag = etag + 1 WHERE silo = $silo AND etag = $etag",
                    ("$silo", entry.SiloAddress.ToParsableString()),
                    ("$entry", MembershipRow.Write(entry)),
                    ("$etag", long.Parse(etag, CultureInfo.InvariantCulture))
                ) == 1
            )
        );

    /// <inheritdoc/>
    public Task UpdateIAmAlive(MembershipEntry entry)
    {
        using var connection = file.Open();
        using var transaction = connection.BeginTransaction();
        foreach (var (row, _) in Rows(connection, transaction).ToArray())
        {
            if (!row.SiloAddress.Equals(entry.SiloAddress)) continue;
            row.IAmAliveTime = entry.IAmAliveTime;
            SqliteFile.Execute(connection, transaction, "UPDATE membership SET entry = $entry WHERE silo = $silo",
                ("$silo", row.SiloAddress.ToParsableString()), ("$entry", MembershipRow.Write(row)));
        }

        transaction.Commit();
        return Task.CompletedTask;
    }

    private bool Change(TableVersion version, Func<SqliteConnection, SqliteTransaction, bool> change)
    {
        using var connection = file.Open();
        using var transaction = connection.BeginTransaction();
        var moved = SqliteFile.Execute(connection, transaction, "UPDATE membership_version SET version = $new WHERE version = $old",
            ("$new", version.Version), ("$old", long.Parse(version.VersionEtag, CultureInfo.InvariantCulture)));
        if (moved != 1 || !change(connection, transaction)) return false;
        transaction.Commit();
        return true;
    }

    private static IEnumerable<(MembershipEntry Entry, string Etag)> Rows(SqliteConnection connection, SqliteTransaction transaction)
    {
        using var command = SqliteFile.Command(connection, transaction, "SELECT entry, etag FROM membership ORDER BY silo");
        using var reader = command.ExecuteReader();
        while (reader.Read())
            yield return (MembershipRow.Read(reader.GetString(0)), reader.GetInt64(1).ToString(CultureInfo.InvariantCulture));
    }

    private static TableVersion Version(SqliteConnection connection, SqliteTransaction transaction)
    {
        using var command = SqliteFile.Command(connection, transaction, "SELECT version FROM membership_version");
        var version = (long)command.ExecuteScalar()!;
        return new TableVersion((int)version, version.ToString(CultureInfo.InvariantCulture));
    }

    private static Tuple<MembershipEntry, string> AsTuple((MembershipEntry Entry, string Etag) row) => Tuple.Create(row.Entry, row.Etag);

    /// <summary>A membership entry as JSON.</summary>
    private sealed record MembershipRow(
        string Silo, SiloStatus Status, string[] Suspects, int ProxyPort, string HostName, string SiloName, string RoleName,
        int UpdateZone, int FaultZone, DateTime StartTime, DateTime IAmAliveTime)
    {
        internal static string Write(MembershipEntry entry) =>
            JsonSerializer.Serialize(
                new MembershipRow(
                    entry.SiloAddress.ToParsableString(),
                    entry.Status,
                    [.. (entry.SuspectTimes ?? []).Select(static suspect => $"{suspect.Item1.ToParsableString()}|{suspect.Item2:O}")],
                    entry.ProxyPort,
                    entry.HostName ?? "",
                    entry.SiloName ?? "",
                    entry.RoleName ?? "",
                    entry.UpdateZone,
                    entry.FaultZone,
                    entry.StartTime,
                    entry.IAmAliveTime
                )
            );

        internal static MembershipEntry Read(string json)
        {
            var row = JsonSerializer.Deserialize<MembershipRow>(json)!;
            return new MembershipEntry
            {
                SiloAddress = SiloAddress.FromParsableString(row.Silo),
                Status = row.Status,
                ProxyPort = row.ProxyPort,
                HostName = row.HostName,
                SiloName = row.SiloName,
                RoleName = row.RoleName,
                UpdateZone = row.UpdateZone,
                FaultZone = row.FaultZone,
                StartTime = row.StartTime,
                IAmAliveTime = row.IAmAliveTime,
                SuspectTimes =
                [
                    .. row.Suspects.Select(static suspect =>
                    {
                        var bar = suspect.LastIndexOf('|');
                        return Tuple.Create(
                            SiloAddress.FromParsableString(suspect[..bar]),
                            DateTime.Parse(suspect[(bar + 1)..], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)
                        );
                    }),
                ],
            };
        }
    }
}
