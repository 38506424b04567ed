using Microsoft.Data.Sqlite;

namespace Peft.Orleans.Grains.Storage;

/// <summary>
/// A SQLite file of a local cluster, shared by its silo processes: one for membership, which begins anew with every cluster, one for grain
/// state.
/// </summary>
internal sealed class SqliteFile
{
    private readonly string connectionString;

    /// <summary>Opens or creates the file and its tables.</summary>
    public SqliteFile(string clusterFolder, string name)
    {
        Directory.CreateDirectory(clusterFolder);
        connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = Path.Combine(clusterFolder, name),
            DefaultTimeout = 30,
        }.ToString();
        using var connection = Open();
        Execute(connection, null, """
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS membership_version (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL);
            INSERT OR IGNORE INTO membership_version VALUES (0, 0);
            CREATE TABLE IF NOT EXISTS membership (silo TEXT PRIMARY KEY, entry TEXT NOT NULL, etag INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS grain_state (
                grain TEXT NOT NULL, state TEXT NOT NULL, payload BLOB NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (grain, state));
            """);
    }

    internal SqliteConnection Open()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        return connection;
    }

    internal static int Execute(
        SqliteConnection connection,
        SqliteTransaction? transaction,
        string sql,
        params (string Name, object Value)[] parameters
    )
    {
        using var command = Command(connection, transaction, sql, parameters);
        return command.ExecuteNonQuery();
    }

    internal static SqliteCommand Command(
        SqliteConnection connection,
        SqliteTransaction? transaction,
        string sql,
        params (string Name, object Value)[] parameters
    )
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value);
        return command;
    }
}
